"""Capacity: search, soak, spike and forecast, as pure functions of the measured steps."""
