"""The Locust user of synthetic traffic: it keeps a place in the test; the sender beside it does the work."""

import gevent
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from traffic.beacons import BeaconCrew

_SOON_S = 0.05

_crews: dict[Environment, BeaconCrew] = {}


def man(environment: Environment) -> None:
    """Give *environment* the crew that its users work for; called once a process, when Locust is ready."""
    _crews[environment] = BeaconCrew(environment)
    _crews[environment].catch_up()


class BeaconUser(User):
    """Present while the run lasts.

    Who visits and when is the plan's affair, and how many requests are under way at once follows from how long the
    server takes: so one user is as good as many.
    """

    abstract = True
    host = "the target's intake"

    @task
    def be_present(self) -> None:
        """Wait until everything was sent, and stop."""
        # On a worker that joins a test under way users may be there before everything else is.
        while self.environment not in _crews:
            gevent.sleep(_SOON_S)
        _crews[self.environment].wait()
        raise StopUser
