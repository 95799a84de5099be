"""A run under Locust: options, master and workers, leases, the web page, the end of a test."""
