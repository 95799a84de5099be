"""One run from beginning to end: request, setup, traffic, table, verdict."""
