"""The record of a run: target and manifest before it, ledger and load report during it."""
