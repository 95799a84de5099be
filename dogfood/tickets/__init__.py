"""The plan's tickets: read from `docs/plan/tickets/`, checked, listed, exported, and made in Phabricator."""
