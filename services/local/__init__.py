"""The one-machine launcher: embedded Kafka and S3 servers, every service as a process, supervised together."""
