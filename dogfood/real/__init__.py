"""`dogfood real`: everything the kit can ask, against the real parts that a user has."""
