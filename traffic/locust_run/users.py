"""The Locust user of synthetic load: each user is one slot for a concurrent visit; the sender sends the events."""

import logging

from locust import User, task
from locust.exception import StopUser

from traffic.locust_run.registry import RunRegistry
from traffic.locust_run.synthetic_load import SyntheticLoad

# Locust warns of more than 100 new users per second. Here users only wait, so the warning is wrong.
logging.getLogger("locust.runners").addFilter(lambda record: "spawn rate is very high" not in record.getMessage())

_controllers = RunRegistry(SyntheticLoad)
register_events = _controllers.register_events


class SyntheticUser(User):
    """A slot for a concurrent visit, for the duration of the run.

    The plan determines the visits and their times. The sender runs at most as many concurrent visits as there are
    users.
    """

    abstract = True
    host = "the target's intake"

    @task
    def wait_for_end(self) -> None:
        """Wait until everything was sent, then stop."""
        _controllers.of(self.environment).wait()
        raise StopUser

    def stop(self, force: bool = False) -> bool:  # noqa: ARG002 (a user has no work to finish)
        """Stop immediately; return True."""
        return bool(super().stop(force=True))
