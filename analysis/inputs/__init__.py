"""Observed files of any common format as events: format by content, columns by a tolerant mapping."""
