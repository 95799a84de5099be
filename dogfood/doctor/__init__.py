"""`dogfood doctor`: checks of this machine and of a target, before a run."""
