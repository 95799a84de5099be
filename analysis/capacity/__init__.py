"""Capacity: what a launch will need, and what a system under load was seen to sustain. Pure; it sends nothing."""
