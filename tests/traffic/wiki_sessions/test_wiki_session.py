"""Sessions on the wiki without a browser, with a fake wiki."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from analysis.calibration import compare
from contracts.generation import Generation
from contracts.profiles import profile_of
from personas.journeys import PlannedPageView
from personas.page_index import Page
from run_record.accounts import TestAccount
from run_record.ledger.files import LedgerWriter, read_ledger
from run_record.page_views import PageViewWriter, read_page_views
from tests.plans import plan
from traffic.event_template import EventTemplate, Tokens, experiment_fields, make_events
from traffic.transport import HttpResponse
from traffic.wiki_sessions.wiki_session import (
    CeilingReachedError,
    NoAnswerError,
    PlannedSession,
    SessionPlayer,
    WikiError,
    read_site,
    redirect_target,
)

PAGE = {
    "wgArticleId": 3, "wgTitle": "Main Page", "wgNamespaceNumber": 0, "wgCanonicalNamespace": "", "wgRevisionId": 9,
    "wgUserId": 7, "wgUserName": "Zoë", "wgUserGroups": ["bot", "*", "user"], "wgUserEditCount": 6,
    "wgUserRegistration": 1577836800000, "wgIsRedirect": False, "wgPageContentLanguage": "en",
}  # fmt: skip
ALPHA = {"enrolled": ["dogfood-ctr"], "assigned": {"dogfood-ctr-feature": "true", "other": "unsampled"}}
XLAB = {
    "enrolled": ["dogfood-ctr"], "assigned": {"dogfood-ctr": "control"}, "subject_ids": {"dogfood-ctr": "ab" * 32},
    "sampling_units": {"dogfood-ctr": "mw-user"}, "overrides": [],
}  # fmt: skip
TOKENS = Tokens("a" * 20, "b" * 20, "c" * 20, "d" * 20)
STREAM = plan().settings.stream_config()


def instrument(generation: Generation = Generation.ALPHA) -> EventTemplate:
    return EventTemplate("dogfood-ctr", plan().settings.element, "dogfood-ctr", generation, "127.0.0.1")


class Wiki:
    """A wiki that lets one account in and serves one page."""

    def __init__(self, enrolments: Mapping[str, object], *, status: str = "PASS", html: str | None = None) -> None:
        config = {**PAGE, "wgMetricsPlatformUserExperiments": enrolments}
        self.html = html if html is not None else f"<script>RLCONF={json.dumps(config)};</script>"
        self.status = status
        self.requests: list[str] = []

    def get(self, path: str, label: str) -> str:
        self.requests.append(label)
        if "siteinfo" in path:
            return json.dumps(
                {"query": {"general": {"wikiid": "testwiki", "generator": "MediaWiki 1.43.9", "lang": "en"}}}
            )
        if "streamconfigs" in path:
            return json.dumps({"streams": {STREAM.stream: STREAM.to_json()}})
        return self.html if path.startswith("/wiki/") else json.dumps({"query": {"tokens": {"logintoken": "t"}}})

    def post(self, path: str, fields: Mapping[str, str], label: str) -> str:
        self.requests.append(f"{label} {fields['username']}")
        return json.dumps({"clientlogin": {"status": self.status, "message": "no"}})

    def forget(self) -> None:
        self.requests.append("forget")


def play(
    folder: Path, wiki: Wiki, *steps: PlannedPageView, permit: Callable[[int], None] = lambda _: None
) -> list[bytes]:
    """Play one session of *steps*; return the posted bodies."""
    posted: list[bytes] = []

    def post(body: bytes) -> HttpResponse:
        posted.append(body)
        return HttpResponse(201, "", b"")

    (folder / "ledger").mkdir()
    with LedgerWriter(folder / "ledger", "wiki") as ledger, PageViewWriter(folder, "wiki") as views:
        player = SessionPlayer(instrument(), STREAM.stream, ledger, views, "http://wiki", permit, lambda: 1738333800.5)
        account = TestAccount("Zoë", "secret", 7, 7, 0)
        player.play(PlannedSession(40, account, steps), read_site(wiki), wiki, post)
    return posted


def step(*, in_view: bool = True, clicked: bool = False) -> PlannedPageView:
    return PlannedPageView(0, Page(3, "Main Page", 0, "", 9), in_view, clicked, 10, 10)


def test_impressions_and_clicks_are_sent_and_recorded(tmp_path: Path) -> None:
    posted = play(tmp_path, Wiki(ALPHA), step(), step(clicked=True), step(in_view=False))
    sent = read_ledger(tmp_path / "ledger")
    assert sent.bodies == {(40, position): body for position, body in enumerate(posted)}
    assert [json.loads(body)["action"] for body in posted] == ["impression", "impression", "click"]
    views = read_page_views(tmp_path)
    assert [view.expected for view in views] == [{"impression": 1}, {"impression": 1, "click": 1}, {}]
    assert [json.loads(body)["performer"]["pageview_id"] for body in posted] == [
        views[0].pageview_id, views[1].pageview_id, views[1].pageview_id,
    ]  # fmt: skip
    assert all(view.experiments == ALPHA for view in views)


def test_nothing_is_recorded_beyond_the_ceiling(tmp_path: Path) -> None:
    allowed = iter([1])

    def permit(events: int) -> None:
        if next(allowed, 0) < events:
            raise CeilingReachedError("enough")

    with pytest.raises(CeilingReachedError):
        play(tmp_path, Wiki(ALPHA), step(), step(clicked=True), permit=permit)
    sent = read_ledger(tmp_path / "ledger")
    assert [view.expected for view in read_page_views(tmp_path)] == [{"impression": 1}]
    assert (len(sent.visit), int((sent.answered_ms < 0).sum())) == (1, 0)


@pytest.mark.parametrize("enrolments", [{}, {"enrolled": []}, {"enrolled": ["another"], "assigned": {"x": "y"}}])
def test_subjects_outside_the_experiment_send_nothing(tmp_path: Path, enrolments: dict[str, object]) -> None:
    assert play(tmp_path, Wiki(enrolments), step(clicked=True)) == []
    assert [view.expected for view in read_page_views(tmp_path)] == [{}]


class Stalling(Wiki):
    """A wiki whose first *times* page requests time out."""

    def __init__(self, times: int) -> None:
        super().__init__(ALPHA)
        self.times = times

    def get(self, path: str, label: str) -> str:
        if path.startswith("/wiki/"):
            self.times -= 1
            if self.times >= 0:
                raise NoAnswerError(f"{path}: no answer from the wiki")
        return super().get(path, label)


def test_a_page_that_times_out_is_retried(tmp_path: Path) -> None:
    assert len(play(tmp_path, Stalling(1), step())) == 1
    [view] = read_page_views(tmp_path)
    assert (view.failure, view.given_up) == ("", "")


def test_a_second_timeout_gives_the_page_up(tmp_path: Path) -> None:
    assert len(play(tmp_path, Stalling(2), step(), step())) == 1
    first, second = read_page_views(tmp_path)
    assert "no answer" in first.given_up
    assert (first.failure, second.given_up, second.expected) == ("", "", {"impression": 1})


def test_a_refused_log_in_names_the_account(tmp_path: Path) -> None:
    with pytest.raises(WikiError, match="does not let 'Zoë' in: no"):
        play(tmp_path, Wiki(ALPHA, status="FAIL"), step())
    assert "secret" not in (tmp_path / "ledger" / "wiki.ndjson").read_text()


def test_a_page_without_configuration_is_a_failure(tmp_path: Path) -> None:
    assert play(tmp_path, Wiki(ALPHA, html="<h1>Sign in</h1>"), step(), step()) == []
    views = read_page_views(tmp_path)
    assert len(views) == 2
    assert all("no RLCONF" in view.failure and view.experiments == {} and view.expected == {} for view in views)


@pytest.mark.parametrize(("generation", "enrolments"), [(Generation.ALPHA, ALPHA), (Generation.XLAB, XLAB)])
def test_events_have_the_shape_of_synthetic_ones(generation: Generation, enrolments: dict[str, object]) -> None:
    page: dict[str, Any] = {**PAGE, "wgMetricsPlatformUserExperiments": enrolments}
    page |= {"wgDBname": "testwiki", "wgVersion": "1.43.9", "skin": "vector-2022"}
    bodies = make_events(instrument(generation), STREAM, page, TOKENS, ["impression", "click"], 1738333800500)
    synthetic = [json.loads(event.body) for event in plan(generation).events(0, 800)]
    events = [json.loads(body) for body in bodies]
    assert list(compare(events, synthetic)) == []
    positions = [event.get("funnel_event_sequence_position") for event in events]
    assert positions == ([1, 2] if generation is Generation.ALPHA else [None, None])
    assert {event["$schema"] for event in events} == {profile_of(generation).schema}
    assert events[0]["dt"] == "2025-01-31T14:30:00.500Z"


@pytest.mark.parametrize("named", [{}, {"coordinator": {"dogfood-ctr": "xLab"}}])
def test_the_client_adds_the_coordinator(named: dict[str, object]) -> None:
    output = experiment_fields({"wgMetricsPlatformUserExperiments": {**XLAB, **named}}, instrument(Generation.XLAB))
    assert output is not None
    assert output["experiment"]["coordinator"] == "xLab"  # type: ignore[index]


def test_overrides_and_unsampled_features_are_left_out() -> None:
    for override in ({"coordinator": {"dogfood-ctr": "forced"}}, {"overrides": ["dogfood-ctr"]}):
        page = {"wgMetricsPlatformUserExperiments": {**XLAB, **override}}
        assert experiment_fields(page, instrument(Generation.XLAB)) is None
    output = experiment_fields({"wgMetricsPlatformUserExperiments": ALPHA}, instrument())
    assert output == {"experiments": {"enrolled": ["dogfood-ctr"], "assigned": {"dogfood-ctr-feature": "true"}}}


@pytest.mark.parametrize(
    ("namespace", "title", "path"),
    [
        ("", "Main Page", "/wiki/Main_Page"),
        ("Help", "Editing", "/wiki/Help:Editing"),
        ("", "100 %?", "/wiki/100_%25%3F"),
        ("", "\u0922\u093c", "/wiki/%E0%A4%A2%E0%A4%BC"),
    ],
)
def test_page_paths(namespace: str, title: str, path: str) -> None:
    assert Page(1, title, 0, namespace, 1).path == path


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/index.php?title=A", "http://wiki.example:8080/index.php?title=A"),
        ("http://wiki.example:8080/b", "http://wiki.example:8080/b"),
        ("c", "http://wiki.example:8080/w/c"),
    ],
)
def test_a_redirect_on_the_wikis_host_is_followed(location: str, target: str) -> None:
    assert redirect_target("http://wiki.example:8080/w/x", location) == target


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example/",
        "//evil.example/",
        "https://wiki.example:8080/",
        "http://wiki.example/",
        "ftp://wiki.example:8080/",
        "",
    ],
)
def test_other_redirects_are_refused(location: str) -> None:
    with pytest.raises(WikiError, match="not followed"):
        redirect_target("http://wiki.example:8080/w/x", location)
