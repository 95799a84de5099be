"""A sender worth its core: one process, one thread, many connections; renders events, writes the ledger, sends, times.

It runs as `python -m traffic.sender` beside a Locust worker, because gevent and an own event loop do not mix.
"""

#: What a sender says at its end: that it played everything, or that it was stopped before.
FINISHED, STOPPED = "finished", "stopped"
