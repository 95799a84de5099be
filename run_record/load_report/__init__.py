"""The load report: the generator's measurements of itself, and whether it kept its schedule."""
