"""Observed rows and the ledger in; checks, verdict and report out."""
