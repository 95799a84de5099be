"""Sessions on the wiki without a browser: log in, read pages, note what each page tells, send what its script would."""

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
from traffic.event_template import EventTemplate, Tokens, decoration, make_events
from traffic.transport import HttpResponse, Transport

SCENARIO = "http"

T = TypeVar("T")

_API = "/api.php"


class WikiError(DogfoodError):
    """The wiki did not do what a session needs: a log-in was refused, a page or an answer made no sense."""


class NoAnswerError(WikiError):
    """The wiki did not answer in time, or the connection was lost: that says nothing of what it would have answered."""


class CeilingReachedError(DogfoodError):
    """The target allows no more events: nothing more is sent, and no further page is read."""


class Browser(Protocol):
    """What a session needs of HTTP. Cookies are kept until they are forgotten; redirects are followed."""

    def get(self, path: str, label: str) -> str:
        """Return the text at *path* of the wiki. Raises WikiError, NoAnswerError without a status."""

    def post(self, path: str, fields: Mapping[str, str], label: str) -> str:
        """Post a form to *path* of the wiki and return the answer's text. Raises WikiError unless the status is 200."""

    def forget(self) -> None:
        """Forget all cookies."""


class Site(NamedTuple):
    """What the wiki tells every page alike.

    Attributes:
        config: what its start-up code adds to a page's own configuration.
        streams: the stream configs it exports.
    """

    config: Mapping[str, object]
    streams: Mapping[str, StreamConfig]


class SessionResult(NamedTuple):
    """One visit to walk: which of the run's it is, whose, and what it does."""

    visit: int
    account: TestAccount
    steps: Sequence[PlannedPageView]


@dataclass(frozen=True)
class SessionPlayer:
    """Walks the visits of accounts.

    Attributes:
        instrument: whose events are sent.
        stream: its stream's name.
        ledger, views: written as it goes.
        wiki: the wiki's address.
        permit: waits until that many more events may be sent. Raises CeilingReachedError when they never may.
        clock: seconds since 1970.
    """

    instrument: EventTemplate
    stream: str
    ledger: LedgerWriter
    views: PageViewWriter
    wiki: str
    permit: Callable[[int], None] = lambda _: None
    clock: Callable[[], float] = time.time

    def walk(self, walk: SessionResult, site: Site, browser: Browser, post: Transport) -> int:
        """Walk *walk* from log-in to its last page. A page that the wiki does not show is written down as well.

        Returns:
            How many pages did not come in time, asked for twice.

        Raises:
            WikiError: the wiki does not let the account in.
            CeilingReachedError: the target allows no more events; of the last page, nothing was written down.
        """
        once_more(lambda: self._log_in(browser, walk.account))
        session, browsing = _token(), _token()
        sent = given_up = 0
        for step in walk.steps:
            tokens = Tokens(session, browsing, _token(), _token())
            try:
                text = once_more(lambda path=step.page.path: browser.get(path, "page view"))  # type: ignore[misc]
                page = {**site.config, **page_config(text)}
            except NoAnswerError as error:
                self._note(walk, step, {"wgTitle": step.page.title}, tokens, [], given_up=str(error))
                given_up += 1
                continue
            except DogfoodError as error:
                self._note(walk, step, {"wgTitle": step.page.title}, tokens, [], failure=str(error))
                continue
            actions = ["impression", "click"][: step.in_view + step.clicked] if self._sends(page, site, tokens) else []
            if actions:
                # Before anything is written down: an intent says that an event is about to be sent.
                self.permit(len(actions))
            self._note(walk, step, page, tokens, actions)
            stream = site.streams.get(self.stream)
            bodies = make_events(self.instrument, stream, page, tokens, actions, self._now_ms()) if stream else []
            for body in bodies:
                self._send(Span(walk.visit, sent, 1), body, post)
                sent += 1
        return given_up

    def _log_in(self, browser: Browser, account: TestAccount) -> None:
        browser.forget()
        log_in(browser, account, self.wiki)

    def _sends(self, page: Mapping[str, object], site: Site, tokens: Tokens) -> bool:
        stream = site.streams.get(self.stream)
        enrolled = decoration(page, self.instrument) is not None
        if not enrolled or stream is None:
            return False
        known = client_stream_config(stream, profile_of(self.instrument.generation))
        return in_stream_sample(known, tokens.pageview, tokens.session)

    def _note(
        self,
        walk: SessionResult,
        step: PlannedPageView,
        page: Mapping[str, object],
        tokens: Tokens,
        actions: Sequence[str],
        failure: str = "",
        given_up: str = "",
    ) -> None:
        self.views.write(
            PageView(
                visit=walk.visit, fidelity=Fidelity.WIKI, scenario=SCENARIO, session=step.session,
                title=str(page.get("wgTitle", "")), pageview_id=tokens.pageview, at_ms=self._now_ms(),
                experiments=page_experiments(page), expected={action: actions.count(action) for action in actions},
                failure=failure, given_up=given_up,
            )
        )  # fmt: skip

    def _send(self, span: Span, body: bytes, post: Transport) -> Sequence[EventAnswer]:
        now = self._now_ms()
        request = self.ledger.intend([span], intended_ms=now, sent_ms=now, bodies=[body])
        answer: HttpResponse = post(body)
        answers = interpret(answer.status, answer.reason, answer.body, [""])
        self.ledger.answered(request, answers, status=answer.status, at_ms=self._now_ms())
        return answers

    def _now_ms(self) -> int:
        return int(self.clock() * 1000)


def once_more(ask: Callable[[], T]) -> T:
    """Return what *ask* returns; ask again when no answer comes. Raises WikiError."""
    try:
        return ask()
    except NoAnswerError:
        return ask()


def log_in(browser: Browser, account: TestAccount, wiki: str) -> None:
    """Log *account* in through the wiki's API. Raises WikiError."""
    asked = browser.get(f"{_API}?action=query&meta=tokens&type=login&format=json", "log-in token")
    token = _at(asked, "query", "tokens", "logintoken")
    fields = {
        "action": "clientlogin", "format": "json", "username": account.name, "password": account.password,
        "loginreturnurl": wiki, "logintoken": str(token),
    }  # fmt: skip
    said = browser.post(_API, fields, "log in")
    if _at(said, "clientlogin", "status") != "PASS":
        raise WikiError(f"the wiki does not let {account.name!r} in: {_at(said, 'clientlogin', 'message')}")


def read_site(browser: Browser) -> Site:
    """Return what the wiki tells every page alike. Raises WikiError."""
    general = _at(browser.get(f"{_API}?action=query&meta=siteinfo&format=json", "site information"), "query", "general")
    if not isinstance(general, Mapping):
        raise WikiError("the wiki's API does not tell about the site: is it MediaWiki?")
    told = browser.get(f"{_API}?action=streamconfigs&format=json", "stream configs")
    config = {
        "wgDBname": general.get("wikiid"),
        "wgVersion": str(general.get("generator", "")).removeprefix("MediaWiki "),
        "wgContentLanguage": general.get("lang"),
        "wgUserLanguage": general.get("lang"),
        # The one skin that has the instrumented element.
        "skin": "vector-2022",
    }
    # One stream of another instrument that cannot be read must not hide the run's own.
    return Site(config, read_stream_configs(_parsed(told)).configs)


def redirected(url: str, location: str) -> str:
    """Return where an answer from *url* redirects to: to another address on the same host, and nowhere else.

    Raises:
        WikiError: it is another host, or the answer does not say where.
    """
    there = urljoin(url, location)
    here, goal = urlsplit(url), urlsplit(there)
    if not location or (goal.scheme, goal.netloc) != (here.scheme, here.netloc):
        raise WikiError(f"{url} redirects to {location!r}: not followed, for it is not on the same host")
    return there


def domain_of(wiki: str) -> str:
    """Return the host name that events of the wiki at this address carry."""
    return urlsplit(wiki).hostname or ""


def _token() -> str:
    return secrets.token_hex(10)


def _parsed(text: str) -> object:
    try:
        content: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise WikiError(f"the wiki's API answered no JSON: {text[:80]!r}") from error
    return content


def _at(text: str, *path: str) -> object:
    content = _parsed(text)
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content
