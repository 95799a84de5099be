"""Watch events as they arrive: their sources, a filter, the tail of a stream, the events of one run."""
