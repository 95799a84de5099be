"""`dogfood capacity`: check, soak, spike and plan."""
