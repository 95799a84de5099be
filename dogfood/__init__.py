"""The command line, and the life of one run."""
