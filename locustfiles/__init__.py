"""Entry points for `locust -f`."""
