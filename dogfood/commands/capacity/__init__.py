"""`dogfood capacity`: search (check.py), soak, spike and plan."""
