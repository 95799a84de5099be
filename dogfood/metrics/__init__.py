"""Metrics for people who watch: what a run's ledger and verdict say, for Prometheus and OpenTelemetry."""
