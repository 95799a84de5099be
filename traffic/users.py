"""The Locust user of synthetic traffic: it keeps a place in the test; the sender beside it does the work."""

from locust import User, task
from locust.exception import StopUser

from traffic.beacons import BeaconCrew
from traffic.crews import Crews

_crews = Crews(BeaconCrew)
man = _crews.man


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
        _crews.of(self.environment).wait()
        raise StopUser
