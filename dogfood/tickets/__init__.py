"""`dogfood tickets`: read, check, list and export the plan's tickets, and create them in Phabricator."""
