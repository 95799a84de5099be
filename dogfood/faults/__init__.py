"""`dogfood faults`: runs against a testbed with a known fault, and whether the verdict names its layer."""
