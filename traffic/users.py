"""The Locust user that sends a run's events, looking like the browser's beacons."""

from locust import FastHttpUser, task
from locust.env import Environment
from locust.exception import StopUser

from metrics_platform.intake import first_reason
from traffic.beacons import BeaconCrew
from traffic.player import HttpAnswer

#: What `navigator.sendBeacon` sends for a text body.
BEACON_HEADERS = {
    "Content-Type": "text/plain;charset=UTF-8",
    "User-Agent": (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Safari/537.36"
    ),
}

_crews: dict[Environment, BeaconCrew] = {}


def man(environment: Environment) -> None:
    """Give *environment* the crew that its users work for; called once a process, when Locust is ready."""
    _crews[environment] = BeaconCrew(environment)


class BeaconUser(FastHttpUser):
    """A connection to the intake, over which due events go out one after the other.

    Who visits and when is the plan's affair: users are how many requests can be under way at once.
    """

    abstract = True
    host = "the target's intake"
    network_timeout = 15.0
    connection_timeout = 5.0

    @task
    def send_what_is_due(self) -> None:
        """Send the next request of the run, or stop when there is none."""
        if _crews[self.environment].play_next(self._post) is None:
            raise StopUser

    def _post(self, body: bytes) -> HttpAnswer:
        crew = _crews[self.environment]
        return post_beacon(self, crew.intake, crew.label, body)


def post_beacon(user: FastHttpUser, intake: str, label: str, body: bytes) -> HttpAnswer:
    """Post *body* to *intake* with the user's client, as a browser's beacon; *label* is its name in the statistics."""
    with user.client.request(
        "POST",
        intake,
        name=label,
        data=body,  # type: ignore[arg-type]  # bytes are fine, and what is sent in the end
        headers=BEACON_HEADERS,
        allow_redirects=False,
        catch_response=True,
    ) as response:
        if not response.status_code:
            reason = f"no answer: {response.error!r}"
            response.failure(reason)
            return HttpAnswer(None, reason, b"")
        message = response._response.status_message if response._response is not None else ""
        answer = HttpAnswer(response.status_code, message or "", response.content or b"")
        if answer.status in (201, 202):
            response.success()
        else:
            response.failure(f"{answer.status}: {first_reason(answer.reason, answer.body)}")
        return answer
