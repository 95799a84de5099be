"""Summaries for the report: losses, funnel, segments, timeline, delays, effects."""
