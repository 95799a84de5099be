"""What puts events on the wire, in time."""
