"""Kafka: a broker of the testbed's own, and the intake's producing."""
