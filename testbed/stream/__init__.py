"""The stream: segment files, or a single-node Kafka broker."""
