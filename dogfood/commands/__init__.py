"""Commands of `dogfood`, by topic."""
