"""`dogfood capacity`: the generator, the measurement of steps, the search, and their display."""
