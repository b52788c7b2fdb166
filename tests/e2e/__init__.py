"""The whole product through its real interfaces: `reelway up`, the official SDK, an S3 client, a Kafka client."""
