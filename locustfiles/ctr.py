"""Synthetic click-through-rate traffic: `locust -f locustfiles/ctr.py`, with or without --headless.

The personas and the seed determine all visits and events. Every request is written to the run's ledger before it is
sent. `dogfood analyse` judges the run afterwards.
"""

from locust import events
from locust.env import Environment

from traffic.locust_run.arguments import add_options
from traffic.locust_run.encrypted_link import bind_to_loopback, secure
from traffic.locust_run.users import SyntheticUser, register_events

secure()
events.init_command_line_parser.add_listener(bind_to_loopback)  # type: ignore[no-untyped-call]
events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]


@events.init.add_listener  # type: ignore[untyped-decorator]
def register(environment: Environment, **_: object) -> None:
    """Create this process's run controller."""
    register_events(environment)


class CtrVisits(SyntheticUser):
    """Slots for visits with impressions and clicks on the instrumented element."""
