"""Sessions on the wiki without a browser: log in, read pages, send the events that pages' scripts would send."""
