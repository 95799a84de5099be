"""TestWiki: a real MediaWiki on this machine, with an extension for experiments."""
