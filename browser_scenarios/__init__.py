"""Scenarios in real browsers: each is a short file that Playwright plays against a wiki."""
