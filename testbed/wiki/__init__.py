"""TestWiki: a real MediaWiki on this machine, with the experiment extension."""
