"""Sessions on the wiki under Locust: accounts lent out, each walked by one user at a time."""

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
    SessionPlayer,
    SessionResult,
    Site,
    WikiError,
    domain_of,
    once_more,
    read_site,
    redirected,
)

_log = logging.getLogger("dogfood")

#: Accounts lent at a time: a visit takes as long as hundreds of beacons.
_LEASE = 4

#: After so many pages or log-ins without an answer the run is INVALID for certain: it ends.
_MOST_GIVEN_UP = 3

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
#: How long a visit may take to end when the run does. What it has under way then stays without an outcome.
_PAGE_WITHIN_S = 5.0
_POLL_S = 0.05

#: With these the method and the form stay; with the others a browser goes on with GET.
_SAME_METHOD = (307, 308)


class WikiSessions(RunController):
    """Lends the roster's accounts to the users of this process."""

    worker_name = "wiki"

    _ledger: LedgerWriter | None = None
    _walker: SessionPlayer | None = None
    _views: PageViewWriter | None = None
    _walks: Iterator[SessionResult] = iter(())
    _site: Site | None = None
    _given_up = 0
    _winding_down = False

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # Users may look for work before there is any.
        self._taking = threading.Lock()

    @property
    def wiki(self) -> str:
        """Address of the wiki."""
        if self._manifest is None:
            raise DogfoodError("no run has been started yet")
        return self._manifest.target["wiki"]

    @property
    def headers(self) -> dict[str, str]:
        """What a beacon of this run is sent with."""
        return beacon_headers(self._manifest.target.get("tag", "") if self._manifest else "")

    def wait_for_ceilings(self, events: int) -> None:
        """Wait until *events* more events may be sent. Raises CeilingReachedError when the target allows no more."""
        while (wait_s := self._governor.wait(events, time.time())) > 0:
            if math.isinf(wait_s):
                raise CeilingReachedError("the target's ceiling is reached: nothing more is sent")
            gevent.sleep(wait_s)

    def walk_next(self, browser: Browser, post: Transport) -> bool:
        """Walk the next visit; return whether there was one."""
        return self.play(lambda: self._walk(browser, post))

    def _walk(self, browser: Browser, post: Transport) -> bool:
        with self._taking:
            walk = None if self._winding_down else next(self._walks, None)
            if walk is not None and self._site is None:
                self._site = once_more(lambda: read_site(browser))
        if walk is None or self._walker is None or self._site is None:
            return False
        try:
            self._given_up += self._walker.walk(walk, self._site, browser, post)
        except CeilingReachedError as error:
            if not self._reached_ceiling:
                _log.warning("%s", error)
            self._reached_ceiling = self._winding_down = True
            return False
        except WikiError as error:
            # Locust counts the failed request; what is missing from the run, the analysis tells.
            _log.warning("%s: %s", walk.account.name, error)
            self._given_up += isinstance(error, NoAnswerError)
        if self._given_up >= _MOST_GIVEN_UP:
            _log.warning("%d times no answer came in time: no other account is begun", self._given_up)
            self._walks = iter(())
        return True

    def check(self, options: Namespace) -> None:
        """Refuse *options* that no run can be made of. Raises DogfoodError."""
        asked = TrafficOptions.of(options)
        target = find_target(asked)
        read_accounts(Path(options.accounts))
        new_settings(asked, target, target.egress())

    def _make_run(self, options: Namespace, now_ms: int) -> Path:
        accounts = read_accounts(Path(options.accounts))[: options.sessions]
        return new_wiki_run(TrafficOptions.of(options), Path(options.runs), accounts, now_ms)

    def _leaser(self, folder: Path, manifest: Manifest) -> Leaser:  # noqa: ARG002 (the other crew needs the manifest)
        return Leaser(len(_walking(folder)), _LEASE)

    def _open(self, folder: Path, manifest: Manifest, worker: str, lease: Lease) -> None:
        ledger = self._ledger = LedgerWriter(folder / LEDGER, worker)
        plan = Plan(PlanSettings.from_json(manifest.plan))
        self._governor = self.governor
        self._views = PageViewWriter(folder, worker)
        self._site = None
        self._given_up = 0
        self._winding_down = False
        self._walks = self._lent(lease, plan, _walking(folder))
        instrument, wiki = plan.settings.parsed_instrument().name, manifest.target["wiki"]
        self._walker = SessionPlayer(
            EventTemplate(instrument, plan.settings.element, plan.experiment.name, manifest.generation, domain_of(wiki)),
            manifest.stream, ledger, self._views, wiki, self.wait_for_ceilings,
        )  # fmt: skip

    def _lent(self, lease: Lease, plan: Plan, roster: Sequence[Account]) -> Iterator[SessionResult]:
        """Yield the visits of the accounts that are lent to this process."""
        accounts = {account.name: account for account in read_accounts(Path(self._options.accounts))}
        journeys = Journeys(plan, enrolled_population(max(item.subject for item in accounts.values()) + 1))
        while (lent := lease()) is not None:
            for row in roster[lent[0] : lent[0] + lent[1]]:
                account = accounts[row.name]
                steps = journeys.of(account.subject, account.user_id, account.central_id)
                yield SessionResult(row.visit, account, steps[: self._options.page_views])

    def _wind_down(self) -> None:
        self._winding_down = True
        if self._worker is not None:
            self._worker.give_up()
        deadline = time.monotonic() + _PAGE_WITHIN_S
        while self._busy and time.monotonic() < deadline:
            gevent.sleep(_POLL_S)

    def _close(self) -> None:
        if self._views is not None:
            self._views.close()
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
        self._walker = self._views = None


_crews = RunRegistry(WikiSessions)
man = _crews.register_events


class WikiUser(FastHttpUser):
    """One reader at a time: an account that logs in, reads, and leaves for the next account."""

    abstract = True
    host = "the target's wiki"
    network_timeout = 45.0
    connection_timeout = 20.0

    @task
    def visit(self) -> None:
        """Walk the next account's visit, or stop when there is none."""
        if not _crews.of(self.environment).walk_next(self, self._post):
            raise StopUser

    def get(self, path: str, label: str) -> str:
        """Return the text at *path* of the wiki. Raises WikiError."""
        return self._text("GET", path, label, None)

    def post(self, path: str, fields: Mapping[str, str], label: str) -> str:
        """Post a form to *path* of the wiki and return the answer's text. Raises WikiError."""
        return self._text("POST", path, label, urlencode(fields))

    def forget(self) -> None:
        """Forget all cookies."""
        self.client.cookiejar.clear()

    def _text(self, method: str, path: str, label: str, form: str | None) -> str:
        crew = _crews.of(self.environment)
        headers = {"User-Agent": crew.headers["User-Agent"]}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = crew.wiki + path
        for _ in range(_MOST_REDIRECTS):
            with self.client.request(
                method, url, name=label, data=form, headers=headers, allow_redirects=False, catch_response=True
            ) as response:
                if response.status_code in _REDIRECTS:
                    response.success()
                    url = redirected(url, response.headers.get("location") or "")
                    if response.status_code not in _SAME_METHOD:
                        method, form = "GET", None
                    continue
                if response.status_code != 200:
                    why = f"{response.status_code or response.error!r}"
                    response.failure(why)
                    if not response.status_code:
                        raise NoAnswerError(f"{path}: no answer from the wiki ({why})")
                    raise WikiError(f"{path}: the wiki answered {why}")
                response.success()
                return response.text or ""
        raise WikiError(f"{path}: the wiki redirects more than {_MOST_REDIRECTS} times")

    def _post(self, body: bytes) -> HttpResponse:
        return _post_beacon(self, _crews.of(self.environment), body)


def _walking(folder: Path) -> Sequence[Account]:
    return [account for account in read_roster(folder) if account.fidelity is Fidelity.WIKI]


def _post_beacon(user: FastHttpUser, crew: WikiSessions, body: bytes) -> HttpResponse:
    """Post *body* to the crew's intake with the user's client, as a browser's beacon."""
    with user.client.request(
        "POST",
        crew.intake,
        name=crew.label,
        data=body,  # type: ignore[arg-type]  # bytes are fine, and what is sent in the end
        headers=crew.headers,
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
