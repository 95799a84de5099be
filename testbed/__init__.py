"""The platform under test, on one machine. It does not depend on the kit."""
