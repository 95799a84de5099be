"""Bucketing at scale, without a browser: `locust -f locustfiles/wiki.py`, with or without --headless.

Test accounts log in to the wiki and read pages. What each page tells its JavaScript – the wiki's own assignment – is
written down, and the events that the JavaScript would send go to the intake. `dogfood analyse` compares the wiki's
assignment with the contract, account by account. How fast it goes is up to the wiki; `-u` is how many readers at once.
"""

from locust import events
from locust.env import Environment

from traffic.locust_run.arguments import add_options
from traffic.locust_run.encrypted_link import bind_to_loopback, secure
from traffic.wiki_sessions.options import add_wiki_options
from traffic.wiki_sessions.wiki_user import WikiUser, man

secure()
events.init_command_line_parser.add_listener(bind_to_loopback)  # type: ignore[no-untyped-call]
events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.init_command_line_parser.add_listener(add_wiki_options)  # type: ignore[no-untyped-call]


@events.init.add_listener  # type: ignore[untyped-decorator]
def ready(environment: Environment, **_: object) -> None:
    """Bind this process to the run it will play."""
    man(environment)


class Readers(WikiUser):
    """Logged-in readers."""
