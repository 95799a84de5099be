"""`dogfood metrics`: a run's traffic and verdict as metrics, for Prometheus and OpenTelemetry."""
