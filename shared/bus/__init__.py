"""The message bus: FastStream over Kafka, wired so that no default can lose a message (FACTS §2)."""
