"""A session on the wiki without a browser: log in, read pages, record their enrolments, send their events."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit

import orjson

from common.errors import DogfoodError
from contracts.intake import EventAnswer, interpret
from contracts.profiles import profile_of
from contracts.streams import StreamConfig, client_stream_config, in_stream_sample, read_stream_configs
from contracts.wiki_page import page_config, page_experiments
from personas.journeys import PlannedPageView
from run_record.accounts import TestAccount
from run_record.ledger.files import LedgerWriter, Span
from run_record.page_views import PageView, PageViewWriter
from run_record.roster import Fidelity
from traffic.event_template import EventTemplate, Tokens, experiment_fields, make_events
from traffic.transport import HttpResponse, Transport

SCENARIO = "http"

T = TypeVar("T")

_API = "/api.php"


class WikiError(DogfoodError):
    """The wiki refused a log-in, or its page or response is invalid."""


class NoAnswerError(WikiError):
    """The wiki did not answer in time, or the connection was lost. That proves nothing about its answer."""


class CeilingReachedError(DogfoodError):
    """The target's ceiling is reached: no further event is sent, and no further page is read."""


class Browser(Protocol):
    """A session's HTTP client. It keeps cookies until `forget`, and follows redirects."""

    def get(self, path: str, label: str) -> str:
        """Return the text at *path* of the wiki. Raises WikiError, NoAnswerError without a status."""

    def post(self, path: str, fields: Mapping[str, str], label: str) -> str:
        """Post a form to *path* of the wiki; return the response's text. Raises WikiError unless the status is 200."""

    def forget(self) -> None:
        """Delete all cookies."""


class Site(NamedTuple):
    """Configuration that is the same on all pages of a wiki.

    Attributes:
        config: values that the start-up code adds to a page's configuration.
        streams: the exported stream configs.
    """

    config: Mapping[str, object]
    streams: Mapping[str, StreamConfig]


class PlannedSession(NamedTuple):
    """A planned session: its visit number, account and page views."""

    visit: int
    account: TestAccount
    steps: Sequence[PlannedPageView]


@dataclass(frozen=True)
class SessionPlayer:
    """Plays planned sessions.

    Attributes:
        instrument: the instrument whose events are sent.
        stream: its stream's name.
        ledger, views: get rows during the session.
        wiki: the wiki's address.
        permit: waits until that many more events may be sent. Raises CeilingReachedError if they never may.
        clock: seconds since 1970.
    """

    instrument: EventTemplate
    stream: str
    ledger: LedgerWriter
    views: PageViewWriter
    wiki: str
    permit: Callable[[int], None] = lambda _: None
    clock: Callable[[], float] = time.time

    def play(self, planned: PlannedSession, site: Site, browser: Browser, transport: Transport) -> int:
        """Play *planned* from log-in to its last page. Pages that the wiki does not show are recorded as failures.

        Returns:
            Number of pages that timed out twice.

        Raises:
            WikiError: the wiki refuses the log-in.
            CeilingReachedError: the target allows no more events; the last page is not recorded.
        """
        retry_once(lambda: self._log_in(browser, planned.account))
        session, browsing = _token(), _token()
        sent = given_up = 0
        for step in planned.steps:
            tokens = Tokens(session, browsing, _token(), _token())
            try:
                text = retry_once(lambda path=step.page.path: browser.get(path, "page view"))  # type: ignore[misc]
                page = {**site.config, **page_config(text)}
            except NoAnswerError as error:
                self._record_page_view(planned, step, {"wgTitle": step.page.title}, tokens, [], given_up=str(error))
                given_up += 1
                continue
            except DogfoodError as error:
                self._record_page_view(planned, step, {"wgTitle": step.page.title}, tokens, [], failure=str(error))
                continue
            actions = ["impression", "click"][: step.in_view + step.clicked] if self._sends(page, site, tokens) else []
            if actions:
                # Before the page view and the intents are written: an intent means that an event is about to be sent.
                self.permit(len(actions))
            self._record_page_view(planned, step, page, tokens, actions)
            stream = site.streams.get(self.stream)
            bodies = make_events(self.instrument, stream, page, tokens, actions, self._now_ms()) if stream else []
            for body in bodies:
                self._send_event(Span(planned.visit, sent, 1), body, transport)
                sent += 1
        return given_up

    def _log_in(self, browser: Browser, account: TestAccount) -> None:
        browser.forget()
        log_in(browser, account, self.wiki)

    def _sends(self, page: Mapping[str, object], site: Site, tokens: Tokens) -> bool:
        stream = site.streams.get(self.stream)
        enrolled = experiment_fields(page, self.instrument) is not None
        if not enrolled or stream is None:
            return False
        client_config = client_stream_config(stream, profile_of(self.instrument.generation))
        return in_stream_sample(client_config, tokens.pageview, tokens.session)

    def _record_page_view(
        self,
        planned: PlannedSession,
        step: PlannedPageView,
        page: Mapping[str, object],
        tokens: Tokens,
        actions: Sequence[str],
        failure: str = "",
        given_up: str = "",
    ) -> None:
        self.views.write(
            PageView(
                visit=planned.visit, fidelity=Fidelity.WIKI, scenario=SCENARIO, session=step.session,
                title=str(page.get("wgTitle", "")), pageview_id=tokens.pageview, at_ms=self._now_ms(),
                experiments=page_experiments(page), expected={action: actions.count(action) for action in actions},
                failure=failure, given_up=given_up,
            )
        )  # fmt: skip

    def _send_event(self, span: Span, body: bytes, transport: Transport) -> Sequence[EventAnswer]:
        now = self._now_ms()
        request = self.ledger.intend([span], intended_ms=now, sent_ms=now, bodies=[body])
        answer: HttpResponse = transport(body)
        answers = interpret(answer.status, answer.reason, answer.body, [""])
        self.ledger.answered(request, answers, status=answer.status, at_ms=self._now_ms())
        return answers

    def _now_ms(self) -> int:
        return int(self.clock() * 1000)


def retry_once(request: Callable[[], T]) -> T:
    """Return the result of *request*; retry it once without an answer. Raises WikiError."""
    try:
        return request()
    except NoAnswerError:
        return request()


def log_in(browser: Browser, account: TestAccount, wiki: str) -> None:
    """Log *account* in through the wiki's API. Raises WikiError."""
    token_response = browser.get(f"{_API}?action=query&meta=tokens&type=login&format=json", "log-in token")
    token = _at(token_response, "query", "tokens", "logintoken")
    fields = {
        "action": "clientlogin", "format": "json", "username": account.name, "password": account.password,
        "loginreturnurl": wiki, "logintoken": str(token),
    }  # fmt: skip
    response = browser.post(_API, fields, "log in")
    if _at(response, "clientlogin", "status") != "PASS":
        raise WikiError(f"the wiki does not let {account.name!r} in: {_at(response, 'clientlogin', 'message')}")


def read_site(browser: Browser) -> Site:
    """Return the wiki's common page configuration. Raises WikiError."""
    general = _at(browser.get(f"{_API}?action=query&meta=siteinfo&format=json", "site information"), "query", "general")
    if not isinstance(general, Mapping):
        raise WikiError("the wiki's API returned no site information: is it MediaWiki?")
    stream_configs = browser.get(f"{_API}?action=streamconfigs&format=json", "stream configs")
    config = {
        "wgDBname": general.get("wikiid"),
        "wgVersion": str(general.get("generator", "")).removeprefix("MediaWiki "),
        "wgContentLanguage": general.get("lang"),
        "wgUserLanguage": general.get("lang"),
        # The one skin that has the instrumented element.
        "skin": "vector-2022",
    }
    # An unreadable stream of another instrument must not hide the run's stream.
    return Site(config, read_stream_configs(_parse_json(stream_configs)).configs)


def redirect_target(url: str, location: str) -> str:
    """Return the target URL of a redirect from *url*, on the same host.

    Raises:
        WikiError: the target is another host, or *location* is empty.
    """
    target = urljoin(url, location)
    source_parts, target_parts = urlsplit(url), urlsplit(target)
    if not location or (target_parts.scheme, target_parts.netloc) != (source_parts.scheme, source_parts.netloc):
        raise WikiError(f"{url} redirects to {location!r}: not followed, as it is not on the same host")
    return target


def domain_of(wiki: str) -> str:
    """Return the host name in events of the wiki at address *wiki*."""
    return urlsplit(wiki).hostname or ""


def _token() -> str:
    return secrets.token_hex(10)


def _parse_json(text: str) -> object:
    try:
        content: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise WikiError(f"the wiki's API did not return JSON: {text[:80]!r}") from error
    return content


def _at(text: str, *path: str) -> object:
    content = _parse_json(text)
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content
