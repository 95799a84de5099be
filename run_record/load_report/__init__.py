"""The load report: what the generator measured about itself, and whether it kept its schedule."""
