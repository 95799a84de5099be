"""What things cost, beside a named peer in the same run: `make bench`."""
