"""The ledger: a row for each request before it is sent, and one for its outcome."""
