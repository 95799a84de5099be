"""Who visits, what they do, and which events that makes: pure functions of (seed, index)."""
