"""Assignment by the wiki at scale, without a browser: `locust -f locustfiles/wiki.py`, with or without --headless.

Test accounts log in to the wiki and read pages. Each page's assignment for its JavaScript is recorded, and the events
that the JavaScript would send go to the intake. `dogfood analyse` compares the wiki's assignment with the contract,
account by account. The wiki limits the speed; `-u` sets the number of concurrent accounts.
"""

from locust import events
from locust.env import Environment

from traffic.locust_run.arguments import add_options
from traffic.locust_run.encrypted_link import bind_to_loopback, secure
from traffic.wiki_sessions.options import add_wiki_options
from traffic.wiki_sessions.wiki_user import WikiUser, register_events

secure()
events.init_command_line_parser.add_listener(bind_to_loopback)  # type: ignore[no-untyped-call]
events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.init_command_line_parser.add_listener(add_wiki_options)  # type: ignore[no-untyped-call]


@events.init.add_listener  # type: ignore[untyped-decorator]
def register(environment: Environment, **_: object) -> None:
    """Create this process's run controller."""
    register_events(environment)


class WikiAccounts(WikiUser):
    """Accounts that log in and read pages."""
