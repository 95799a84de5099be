"""Load generation: Locust runs, the sender, and sessions on the wiki."""
