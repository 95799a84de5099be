"""Sessions on the wiki without a browser: log in, read pages, send what the page's script would send."""
