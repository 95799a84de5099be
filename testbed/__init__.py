"""The platform under test, on one machine. Knows nothing of the kit."""
