"""Personas, their subjects, visits and events: pure functions of (seed, index)."""
