"""What a run is: its target, its manifest, its ledger."""
