"""The intake: EventGate's HTTP contract, with the additions of the Wikimedia deployment."""
