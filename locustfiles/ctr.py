"""Synthetic click-through-rate traffic: `locust -f locustfiles/ctr.py`, with or without --headless.

Who visits, what they do and which events that makes is decided by the personas and the seed; every request is
written to the run's ledger before it is sent. `dogfood analyse` judges the run afterwards.
"""

from locust import events
from locust.env import Environment

from traffic.locust_run.arguments import add_options
from traffic.locust_run.encrypted_link import bind_to_loopback, secure
from traffic.locust_run.users import SyntheticUser, man

secure()
events.init_command_line_parser.add_listener(bind_to_loopback)  # type: ignore[no-untyped-call]
events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]


@events.init.add_listener  # type: ignore[untyped-decorator]
def ready(environment: Environment, **_: object) -> None:
    """Bind this process to the run it will play."""
    man(environment)


class CtrVisitors(SyntheticUser):
    """Impressions and clicks on the instrumented element."""
