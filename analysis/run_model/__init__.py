"""A run as tables: planned and sent events, observed rows, participants, subjects, streams."""
