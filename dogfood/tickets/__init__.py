"""The plan's tickets: read from `docs/tickets/`, checked, listed, exported, and made in Phabricator."""
