"""The stream: segment files, or a Kafka broker of one node."""
