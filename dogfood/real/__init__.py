"""`dogfood real`: every examination of the kit, against the real extensions and intake that a user has."""
