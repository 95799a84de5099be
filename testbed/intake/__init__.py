"""The intake: EventGate's HTTP contract, with what the Wikimedia deployment adds."""
