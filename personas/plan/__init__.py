"""The plan of a run: visits and events as pure functions of (seed, index)."""
