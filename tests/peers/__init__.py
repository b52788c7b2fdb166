"""Servers of other ecosystems that the tests fetch, pinned, into a cache: Apache Kafka (Maven), FerretDB (Go)."""
