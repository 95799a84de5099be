"""Summaries beside the checks: losses, funnel, segments, timeline, delays, effects."""
