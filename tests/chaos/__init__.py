"""Kills at random moments, each proven to have fallen inside the work: `python -m tests.chaos --kills 20`."""
