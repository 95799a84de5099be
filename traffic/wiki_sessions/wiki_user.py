"""Sessions on the wiki under Locust: each user plays one leased account's session at a time."""

import logging
import math
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

import gevent
from locust import FastHttpUser, task
from locust.env import Environment
from locust.exception import StopUser

from common.errors import DogfoodError
from contracts.intake import first_reason
from personas.journeys import Journeys, enrolled_population
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.accounts import read_accounts
from run_record.ledger.files import LedgerWriter
from run_record.manifest import Manifest
from run_record.page_views import PageViewWriter
from run_record.roster import Account, Fidelity, read_roster
from run_record.run_folder import LEDGER
from traffic.event_template import EventTemplate
from traffic.locust_run.controller import RunController
from traffic.locust_run.leases import Lease, Leaser
from traffic.locust_run.options import TrafficOptions, find_target, new_settings
from traffic.locust_run.registry import RunRegistry
from traffic.transport import HttpResponse, Transport, beacon_headers
from traffic.wiki_sessions.options import new_wiki_run
from traffic.wiki_sessions.wiki_session import (
    Browser,
    CeilingReachedError,
    NoAnswerError,
    PlannedSession,
    SessionPlayer,
    Site,
    WikiError,
    domain_of,
    read_site,
    redirect_target,
    retry_once,
)

_log = logging.getLogger("dogfood")

#: Accounts per lease: a session takes as long as hundreds of beacons.
_ACCOUNTS_PER_LEASE = 4

#: After this many pages or log-ins without an answer the run is certain to be INVALID, and ends.
_MAX_GIVEN_UP = 3

_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
#: Maximum time for sessions to end at the end of the run. Requests in flight then stay without an outcome.
_PAGE_TIMEOUT_S = 5.0
_POLL_S = 0.05

#: Redirects that keep the method and the form; after the others, browsers continue with GET.
_SAME_METHOD = (307, 308)


class WikiSessions(RunController):
    """Leases the roster's accounts to the users of this process."""

    worker_name = "wiki"

    _ledger: LedgerWriter | None = None
    _player: SessionPlayer | None = None
    _views: PageViewWriter | None = None
    _sessions: Iterator[PlannedSession] = iter(())
    _site: Site | None = None
    _given_up = 0
    _winding_down = False

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # Users may ask for a session before the run is open.
        self._lock = threading.Lock()

    @property
    def wiki(self) -> str:
        """Address of the wiki."""
        if self._manifest is None:
            raise DogfoodError("no run has been started yet")
        return self._manifest.target["wiki"]

    @property
    def headers(self) -> dict[str, str]:
        """Headers of this run's beacons."""
        return beacon_headers(self._manifest.target.get("tag", "") if self._manifest else "")

    def wait_for_ceilings(self, events: int) -> None:
        """Wait until *events* more events may be sent. Raises CeilingReachedError if they never may."""
        while (wait_s := self._rate_limiter.wait(events, time.time())) > 0:
            if math.isinf(wait_s):
                raise CeilingReachedError("the target's ceiling is reached: no further event is sent")
            gevent.sleep(wait_s)

    def play_next(self, browser: Browser, transport: Transport) -> bool:
        """Play the next session; return whether there was one."""
        return self.play(lambda: self._play_session(browser, transport))

    def _play_session(self, browser: Browser, transport: Transport) -> bool:
        with self._lock:
            planned = None if self._winding_down else next(self._sessions, None)
            if planned is not None and self._site is None:
                self._site = retry_once(lambda: read_site(browser))
        if planned is None or self._player is None or self._site is None:
            return False
        try:
            self._given_up += self._player.play(planned, self._site, browser, transport)
        except CeilingReachedError as error:
            if not self._ceiling_reached:
                _log.warning("%s", error)
            self._ceiling_reached = self._winding_down = True
            return False
        except WikiError as error:
            # Locust counts the failed request; the analysis reports the missing session.
            _log.warning("%s: %s", planned.account.name, error)
            self._given_up += isinstance(error, NoAnswerError)
        if self._given_up >= _MAX_GIVEN_UP:
            _log.warning("no answer in time %d times: no further session is started", self._given_up)
            self._sessions = iter(())
        return True

    def check(self, options: Namespace) -> None:
        """Check that *options* allow a run. Raises DogfoodError."""
        traffic = TrafficOptions.of(options)
        target = find_target(traffic)
        read_accounts(Path(options.accounts))
        new_settings(traffic, target, target.egress())

    def _make_run(self, options: Namespace, now_ms: int) -> Path:
        accounts = read_accounts(Path(options.accounts))[: options.sessions]
        return new_wiki_run(TrafficOptions.of(options), Path(options.runs), accounts, now_ms)

    def _make_leaser(self, folder: Path, manifest: Manifest) -> Leaser:  # noqa: ARG002 (synthetic load needs the manifest)
        return Leaser(len(_wiki_accounts(folder)), _ACCOUNTS_PER_LEASE)

    def _open(self, folder: Path, manifest: Manifest, worker: str, lease: Lease) -> None:
        ledger = self._ledger = LedgerWriter(folder / LEDGER, worker)
        plan = Plan(PlanSettings.from_json(manifest.plan))
        self._rate_limiter = self.rate_limiter
        self._views = PageViewWriter(folder, worker)
        self._site = None
        self._given_up = 0
        self._winding_down = False
        self._sessions = self._leased_sessions(lease, plan, _wiki_accounts(folder))
        instrument, wiki = plan.settings.parsed_instrument().name, manifest.target["wiki"]
        self._player = SessionPlayer(
            EventTemplate(
                instrument, plan.settings.element, plan.experiment.name, manifest.generation, domain_of(wiki)
            ),
            manifest.stream, ledger, self._views, wiki, self.wait_for_ceilings,
        )  # fmt: skip

    def _leased_sessions(self, lease: Lease, plan: Plan, roster: Sequence[Account]) -> Iterator[PlannedSession]:
        """Yield the sessions of the accounts that are leased to this process."""
        accounts = {account.name: account for account in read_accounts(Path(self._options.accounts))}
        journeys = Journeys(plan, enrolled_population(max(item.subject for item in accounts.values()) + 1))
        while (block := lease()) is not None:
            for row in roster[block[0] : block[0] + block[1]]:
                account = accounts[row.name]
                steps = journeys.of(account.subject, account.user_id, account.central_id)
                yield PlannedSession(row.visit, account, steps[: self._options.page_views])

    def _wind_down(self) -> None:
        self._winding_down = True
        if self._worker is not None:
            self._worker.cancel_lease()
        deadline = time.monotonic() + _PAGE_TIMEOUT_S
        while self._busy and time.monotonic() < deadline:
            gevent.sleep(_POLL_S)

    def _close(self) -> None:
        if self._views is not None:
            self._views.close()
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
        self._player = self._views = None


_controllers = RunRegistry(WikiSessions)
register_events = _controllers.register_events


class WikiUser(FastHttpUser):
    """A Locust user that plays one account's session after another."""

    abstract = True
    host = "the target's wiki"
    network_timeout = 45.0
    connection_timeout = 20.0

    @task
    def visit(self) -> None:
        """Play the next session; stop without any left."""
        if not _controllers.of(self.environment).play_next(self, self._send_beacon):
            raise StopUser

    def get(self, path: str, label: str) -> str:
        """Return the text at *path* of the wiki. Raises WikiError."""
        return self._text("GET", path, label, None)

    def post(self, path: str, fields: Mapping[str, str], label: str) -> str:
        """Post a form to *path* of the wiki; return the response's text. Raises WikiError."""
        return self._text("POST", path, label, urlencode(fields))

    def forget(self) -> None:
        """Delete all cookies."""
        self.client.cookiejar.clear()

    def _text(self, method: str, path: str, label: str, form: str | None) -> str:
        controller = _controllers.of(self.environment)
        headers = {"User-Agent": controller.headers["User-Agent"]}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = controller.wiki + path
        for _ in range(_MAX_REDIRECTS):
            with self.client.request(
                method, url, name=label, data=form, headers=headers, allow_redirects=False, catch_response=True
            ) as response:
                if response.status_code in _REDIRECTS:
                    response.success()
                    url = redirect_target(url, response.headers.get("location") or "")
                    if response.status_code not in _SAME_METHOD:
                        method, form = "GET", None
                    continue
                if response.status_code != 200:
                    reason = f"{response.status_code or response.error!r}"
                    response.failure(reason)
                    if not response.status_code:
                        raise NoAnswerError(f"{path}: no answer from the wiki ({reason})")
                    raise WikiError(f"{path}: the wiki answered {reason}")
                response.success()
                return response.text or ""
        raise WikiError(f"{path}: the wiki redirects more than {_MAX_REDIRECTS} times")

    def _send_beacon(self, body: bytes) -> HttpResponse:
        return _post_beacon(self, _controllers.of(self.environment), body)


def _wiki_accounts(folder: Path) -> Sequence[Account]:
    return [account for account in read_roster(folder) if account.fidelity is Fidelity.WIKI]


def _post_beacon(user: FastHttpUser, controller: WikiSessions, body: bytes) -> HttpResponse:
    """Post *body* to the intake with the user's client, as a browser's beacon."""
    with user.client.request(
        "POST",
        controller.intake,
        name=controller.label,
        data=body,  # type: ignore[arg-type]  # bytes are accepted
        headers=controller.headers,
        allow_redirects=False,
        catch_response=True,
    ) as response:
        if not response.status_code:
            reason = f"no answer: {response.error!r}"
            response.failure(reason)
            return HttpResponse(None, reason, b"")
        message = response._response.status_message if response._response is not None else ""
        answer = HttpResponse(response.status_code, message or "", response.content or b"")
        if answer.status in (201, 202):
            response.success()
        else:
            response.failure(f"{answer.status}: {first_reason(answer.reason, answer.body)}")
        return answer
