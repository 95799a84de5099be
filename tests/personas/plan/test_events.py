import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from contracts.assignment import assign
from contracts.generation import Generation
from contracts.schemas import SchemaRegistry
from contracts.streams import in_stream_sample
from personas.example_experiment import example_experiment, example_instrument
from personas.persona import load_personas
from personas.plan.plan import Plan
from personas.plan.settings import PlanError
from tests.contract_samples import contract_path
from tests.personas.shape import shape
from tests.plans import EPOCH_MS, plan, settings

ALL_ATTRIBUTES = [
    "page_id", "page_title", "page_namespace_id", "page_namespace_name", "page_revision_id", "page_content_language",
    "page_is_redirect", "page_user_groups_allowed_to_move", "page_user_groups_allowed_to_edit", "mediawiki_skin",
    "mediawiki_version", "mediawiki_database", "mediawiki_site_content_language",
    "mediawiki_site_content_language_variant", "page_wikidata_qid",
    "performer_active_browsing_session_token", "performer_is_logged_in", "performer_is_temp", "performer_id",
    "performer_name", "performer_session_id", "performer_pageview_id", "performer_groups", "performer_is_bot",
    "performer_language", "performer_language_variant", "performer_can_probably_edit_page", "performer_edit_count",
    "performer_edit_count_bucket", "performer_registration_dt",
]  # fmt: skip

Event = dict[str, Any]


def bodies(created: Plan) -> list[Event]:
    return [json.loads(event.body) for event in created.events(0, created.settings.visitors)]


def asking_for(attributes: list[str], generation: Generation = Generation.ALPHA) -> Plan:
    return plan(generation, instrument={**example_instrument(), "contextual_attributes": attributes})


def captured(keep: Callable[[Event], bool]) -> list[Event]:
    """Return captured events without what the intake added."""
    lines = contract_path("captured-accepted-events.ndjson").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    for event in events:
        del event["http"]
        for name in ("dt", "request_id"):
            del event["meta"][name]
    return [event for event in events if keep(event) and "instrument_name" in event]


def differences(ours: list[Event], theirs: list[Event]) -> set[tuple[str, str]]:
    """Return the leaves that only one side ever has. Lists may be empty on one side."""
    one, other = (set().union(*map(shape, side)) for side in (ours, theirs))
    return {(path, kind) for path, kind in one ^ other if not kind.startswith("list")}


def test_events_have_the_captured_shape() -> None:
    beacon = json.loads(json.loads(contract_path("captured-beacons.ndjson").read_text().splitlines()[0])["body"])
    ours = bodies(plan())
    theirs = captured(lambda event: "namespace_name" not in event["page"] and "title" in event["page"])
    theirs = [event for event in theirs if "is_redirect" not in event["page"]]
    assert len(theirs) == 90
    assert differences(ours, theirs) == set()
    assert {path for path, _ in shape(ours[0])} - {path for path, _ in shape(beacon)} == {".meta.id"}


@pytest.mark.parametrize("special", [False, True])
def test_events_with_all_attributes_have_the_captured_shape(special: bool) -> None:
    def kept(event: Event) -> bool:
        return "namespace_name" in event["page"] and (event["page"]["namespace_id"] < 0) is special

    ours = [event for event in bodies(asking_for(ALL_ATTRIBUTES)) if kept(event)]
    theirs = captured(kept)
    assert len(ours) > 20
    assert len(theirs) > 10
    assert differences(ours, theirs) == set()
    every = {frozenset(path for path, _ in shape(event)) for event in [*ours, *theirs]}
    assert len(every) == 1


def test_the_diff_finds_a_difference() -> None:
    ours = bodies(plan())
    ours[0]["page"]["surprise"] = 1
    theirs = bodies(plan())
    assert differences(ours, theirs) == {(".page.surprise", "int")}
    theirs[0]["dt"] = "2025-01-31T14:30:00Z"
    assert (".dt", "text") in differences(ours, theirs)


@pytest.mark.parametrize("generation", Generation)
@pytest.mark.parametrize("attributes", [[], ["page_id", "performer_id"], ["performer_session_id"], ALL_ATTRIBUTES])
def test_every_event_is_valid(generation: Generation, attributes: list[str]) -> None:
    registry = SchemaRegistry()
    events = bodies(asking_for(attributes, generation))
    assert len(events) > 500
    for event in events:
        event["meta"]["dt"] = event["dt"]
        assert registry.validate(event) == ()


@pytest.mark.parametrize("generation", Generation)
def test_events_have_the_contracts_assignment(generation: Generation) -> None:
    run_plan = plan(generation)
    subjects = run_plan.subjects(0, 600)
    for event in run_plan.events(0, 600):
        body = json.loads(event.body)
        ids = subjects.user_id if generation is Generation.ALPHA else subjects.central_id
        result = assign(
            generation, int(ids[event.visit]), run_plan.experiment.name, run_plan.experiment.groups, run_plan.rate
        )
        assert body["performer"]["id"] == subjects.user_id[event.visit]
        if generation is Generation.ALPHA:
            feature = run_plan.experiment.features[0].name
            assert body["experiments"] == {"enrolled": ["dogfood-ctr"], "assigned": {feature: result.group}}
        else:
            assert body["experiment"]["assigned"] == result.group
            assert body["experiment"]["subject_id"] == result.subject_id


def test_only_sampled_subjects_send_events() -> None:
    run_plan = plan()
    subjects = run_plan.subjects(0, 600)
    senders = {event.visit for event in run_plan.events(0, 600)}
    sampled = set(subjects.in_sample.nonzero()[0].tolist())
    assert senders <= sampled
    assert len(senders) > 0.95 * len(sampled)


def test_several_features_share_one_hash() -> None:
    features = {
        "two": {"control": "a", "values": ["a", "b"]},
        "three": {"control": "x", "values": ["x", "y", "z"]},
    }
    run_plan = plan(experiment={**example_experiment(Generation.ALPHA), "features": features})
    subjects = run_plan.subjects(0, 600)
    seen = set()
    for event in run_plan.events(0, 600):
        expected = {}
        for name, groups in (("two", "ab"), ("three", "xyz")):
            user_id = int(subjects.user_id[event.visit])
            result = assign(Generation.ALPHA, user_id, "dogfood-ctr", list(groups), run_plan.rate)
            if result.group:
                expected[name] = result.group
        assert json.loads(event.body)["experiments"]["assigned"] == expected
        seen.add(frozenset(expected))
    assert len(seen) == 3


def test_equal_settings_give_equal_bytes() -> None:
    def digest(**changes: object) -> str:
        return sha256(b"\n".join(event.body for event in plan(Generation.ALPHA, **changes).events(0, 300))).hexdigest()

    assert digest() == digest()
    assert digest() == digest(visitors=900)
    assert len({digest(), digest(seed=8), digest(epoch_ms=EPOCH_MS + 1)}) == 3


def test_the_bytes_have_the_recorded_digest() -> None:
    """A change here changes every event of every seed: say so in the change log."""
    # Of the personas that come with the kit: another one does not change their events here.
    personas = tuple(persona for persona in load_personas() if persona.name in SHIPPED)
    bodies = [event.body for event in Plan(settings(), personas).events(0, 600)]
    assert len(bodies) == GOLDEN_COUNT
    assert sha256(b"\n".join(bodies)).hexdigest() == GOLDEN


def test_xlab_events_have_the_captured_shape() -> None:
    """Contract: wiki.md, "The real xlab code, run"."""
    events = [json.loads(event.body) for event in plan(Generation.XLAB).events(0, 300)]
    for event in events:
        assert not event.keys() & {"action_source", "funnel_event_sequence_position", "sample", "experiments"}
        assert event["instrument_name"] == "ClickThroughRateInstrument"
        assert event["experiment"]["coordinator"] == "xLab"


def test_xlab_has_no_stream_sampling() -> None:
    everything, half = (
        plan(Generation.XLAB, instrument=example_instrument(rate=rate)).events(0, 100) for rate in (1.0, 0.5)
    )
    assert [event.body for event in everything] == [event.body for event in half]


def test_visits_do_not_depend_on_the_order_of_requests() -> None:
    one, other = plan(), plan()
    assert [one.visit(i) for i in (500, 3, 260)] == [other.visit(i) for i in (500, 3, 260)]
    everything = {event.id: event for event in other.events(0, 600)}
    assert all(everything[event.id] == event for event in one.visit(260))


def test_a_funnel_ends_with_its_click() -> None:
    clicks = 0
    for visit in range(600):
        events = [json.loads(event.body) for event in plan_once.visit(visit)]
        actions = [(event["action"], event["funnel_event_sequence_position"]) for event in events]
        assert set(actions) <= {("impression", 1), ("click", 2)}
        for index, (action, _) in enumerate(actions):
            if action == "click":
                clicks += 1
                assert index == len(actions) - 1
                assert events[index]["funnel_entry_token"] == events[index - 1]["funnel_entry_token"]
                assert events[index]["dt"] >= events[index - 1]["dt"]
    assert clicks > 20


def test_events_are_ordered_by_their_dt() -> None:
    for visit in range(600):
        events = plan_once.visit(visit)
        assert [event.offset_ms for event in events] == sorted(event.offset_ms for event in events)
        assert [event.position for event in events] == list(range(len(events)))
        begin = int(plan_once.arrivals_us(visit, 1)[0])
        assert all(event.offset_us >= begin for event in events)
    first = plan_once.visit(next(i for i in range(600) if plan_once.visit(i)))[0]
    millis = first.offset_ms + EPOCH_MS
    assert json.loads(first.body)["dt"].endswith(f".{millis % 1000:03d}Z")


def test_ids_and_tokens_are_unique() -> None:
    events = list(plan_once.events(0, 600))
    assert len({event.id for event in events}) == len(events)
    impressions = [json.loads(event.body) for event in events if b'"impression"' in event.body]
    assert len({event["funnel_entry_token"] for event in impressions}) == len(impressions)
    assert len({event["performer"]["pageview_id"] for event in impressions}) == len(impressions)


def test_stream_sampling_is_independent_of_enrolment() -> None:
    half = plan(instrument=example_instrument(rate=0.5))
    kept = [json.loads(event.body) for event in half.events(0, 600)]
    everything = [json.loads(event.body) for event in plan_once.events(0, 600)]
    stream = half.settings.stream_config()
    expected = [
        event["meta"]["id"]
        for event in everything
        if in_stream_sample(stream, event["performer"]["pageview_id"], event["performer"]["session_id"])
    ]
    assert [event["meta"]["id"] for event in kept] == expected
    assert 0.3 < len(kept) / len(everything) < 0.7
    assert kept[0]["sample"] == {"rate": 0.5, "unit": "session"}


def test_an_impossible_plan_is_one_clear_line() -> None:
    with pytest.raises(PlanError, match="visitors has to be between 0"):
        settings(visitors=-1)
    with pytest.raises(PlanError, match="switched off"):
        plan(instrument={**example_instrument(), "status": 0})
    with pytest.raises(PlanError, match="the personas have changed"):
        Plan(replace(settings(), personas="0123456789abcdef"))


plan_once = plan()
SHIPPED = {"bot", "casual-reader", "mobile-reader", "newcomer", "patroller", "power-editor", "returning-reader"}
GOLDEN_COUNT = 1816
GOLDEN = "4b571981b5f5d2e10f950dc4d6b35b32e1cfd155df5bd331e92467ae99fdd131"
