"""The Locust user of synthetic traffic: it is a place for a visit; the sender beside it does the work."""

import logging

from locust import User, task
from locust.exception import StopUser

from traffic.locust_run.registry import RunRegistry
from traffic.locust_run.synthetic_load import SyntheticLoad

# Locust warns of more than 100 new users a second, for its users are at work; these only wait.
logging.getLogger("locust.runners").addFilter(lambda record: "spawn rate is very high" not in record.getMessage())

_crews = RunRegistry(SyntheticLoad)
man = _crews.register_events


class SyntheticUser(User):
    """A place for a visit that is under way, while the run lasts.

    Who visits and when is the plan's affair, and the sender does the work; it lets at most as many visits be under way
    at the same time as there are users.
    """

    abstract = True
    host = "the target's intake"

    @task
    def be_present(self) -> None:
        """Wait until everything was sent, and stop."""
        _crews.of(self.environment).wait()
        raise StopUser

    def stop(self, force: bool = False) -> bool:  # noqa: ARG002 (there is nothing to finish)
        """Leave; return whether that was immediate, which it is: a user has nothing to finish."""
        return bool(super().stop(force=True))
