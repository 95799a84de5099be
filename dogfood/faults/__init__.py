"""`dogfood faults`: runs against a testbed with a fault switched on, and whether its layer is named."""
