"""The configuration service: MPIC's JSON API and a web UI over SQLite."""
