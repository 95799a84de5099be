"""Kafka: the testbed's broker and the intake's producer."""
