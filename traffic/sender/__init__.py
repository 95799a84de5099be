"""The sender: a process that renders events, writes the ledger, sends requests and measures their delays.

It has one thread and many connections, and uses one core fully. A Locust worker starts it as
`python -m traffic.sender`, because gevent and the sender's event loop do not mix.
"""

#: A sender's last message: it sent everything, or was stopped before that.
FINISHED, STOPPED = "finished", "stopped"
