"""The capacity check: drives the load, shows it, and writes down what was found."""
