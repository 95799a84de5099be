"""Thin files for `locust -f`."""
