"""Examination of a target's systems, against prepared responses: each fault and its remedy."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from contracts.generation import Generation
from contracts.streams import SCHEMA_TITLE, StreamConfig
from dogfood.doctor.diagnosis import Condition, Diagnosis
from dogfood.doctor.systems import RunNeeds, Systems, examine_systems
from personas.example_experiment import EXPERIMENT, STREAM, example_experiment, example_instrument
from run_record.target import Target

TARGET = Target(
    "test", "for tests", "http://intake/v1/events", "http://mpic", ("intake", "mpic", "wiki"), "http://wiki"
)
NEEDS = RunNeeds(Generation.ALPHA, EXPERIMENT, EXPERIMENT, "testwiki", datetime(2026, 1, 31, tzinfo=UTC), True)
EXPERIMENTS, INSTRUMENTS = "http://mpic/api/v1/experiments", "http://mpic/api/v1/instruments"
WIKI, INTAKE = "http://wiki/api.php", "http://intake/v1/events"

REFUSED = {"invalid": [{"status": "invalid", "context": {"errorsText": "'.meta' should have required property 'dt'"}}]}


def healthy(generation: Generation = Generation.ALPHA) -> dict[str, httpx.Response]:
    config = StreamConfig(STREAM, SCHEMA_TITLE)
    return {
        EXPERIMENTS: httpx.Response(200, json=[example_experiment(generation)]),
        INSTRUMENTS: httpx.Response(200, json=[example_instrument()]),
        WIKI: httpx.Response(200, json={"streams": {STREAM: config.to_json()}}),
        INTAKE: httpx.Response(400, json=REFUSED),
    }


def resolver(_: str) -> list[str]:
    """Return an address for every name: requests are answered before any connection."""
    return ["192.0.2.1"]


def examined(
    answers: Mapping[str, httpx.Response], needs: RunNeeds = NEEDS, target: Target = TARGET
) -> tuple[Systems, list[httpx.Request]]:
    items: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        items.append(request)
        value = answers.get(str(request.url.copy_with(query=None)))
        if value is None:
            raise httpx.ConnectError("connection refused")
        return value

    return examine_systems(target, needs, target.egress(resolver), httpx.MockTransport(answer)), items


def missing(systems: Systems) -> list[Diagnosis]:
    return [item for item in systems.diagnoses if item.condition is Condition.MISSING]


@pytest.mark.parametrize("generation", Generation)
def test_nothing_is_missing_where_all_is_served(generation: Generation) -> None:
    systems, requested = examined(healthy(generation), NEEDS._replace(generation=generation))
    assert {item.condition for item in systems.diagnoses} == {Condition.FINE}
    assert systems.experiment is not None
    assert systems.experiment.name == EXPERIMENT
    assert {request.method for request in requested} == {"GET", "OPTIONS", "POST"}


BREAKING = {**example_experiment(Generation.ALPHA), "slug": "other", "sample_rate": {"default": 1.5}}
TEXT_RATE = {**StreamConfig(STREAM, SCHEMA_TITLE).to_json(), "sample": {"rate": "0.01", "unit": "session"}}


@pytest.mark.parametrize(
    ("address", "answer", "subject", "text"),
    [
        (EXPERIMENTS, None, "experiments", "connection refused"),
        (EXPERIMENTS, httpx.Response(500), "experiments", "500"),
        (EXPERIMENTS, httpx.Response(200, json=[{"slug": EXPERIMENT}]), "experiment", "features"),
        (EXPERIMENTS, httpx.Response(200, json=[{**BREAKING, "slug": EXPERIMENT}]),
         "experiment", "pages of users with accounts answer 500"),
        (EXPERIMENTS, httpx.Response(200, json=[example_experiment(Generation.ALPHA), BREAKING]), "other experiments",
         "experiments[other].sample_rate.default"),
        (INSTRUMENTS, httpx.Response(200, json=[{**example_instrument(), "sample_unit": "user"}]), "instrument",
         "the client sends nothing"),
        (INSTRUMENTS, httpx.Response(200, json=[{**example_instrument(), "sample_rate": {"default": "1"}}]),
         "instrument", "the schema refuses every event"),
        (WIKI, httpx.Response(200, json={"streams": {STREAM: TEXT_RATE}}), "stream", "is the text '0.01'"),
        (EXPERIMENTS, httpx.Response(200, json=[]), "experiment", "no experiment"),
        (EXPERIMENTS, httpx.Response(200, json=[{**example_experiment(Generation.ALPHA), "status": 0}]), "experiment",
         "not active"),
        (EXPERIMENTS, httpx.Response(200, json=[example_experiment(Generation.ALPHA, rate=0.0)]), "sample rate",
         "nobody on testwiki"),
        (INSTRUMENTS, httpx.Response(200, json=[]), "instrument", "no instrument"),
        (INSTRUMENTS, httpx.Response(200, json=[{**example_instrument(), "status": 0}]), "instrument", "switched off"),
        (INSTRUMENTS, httpx.Response(200, json=[example_instrument(rate=0.5)]), "instrument", "on top of"),
        (INSTRUMENTS, httpx.Response(200, text="<html>"), "instruments", "not JSON"),
        (WIKI, None, "reachable", "does not answer"),
        (WIKI, httpx.Response(404), "stream configs", "404"),
        (WIKI, httpx.Response(200, text="<html>"), "stream configs", "exports none"),
        (WIKI, httpx.Response(200, json={"streams": {}}), "stream", "not exported"),
        (WIKI, httpx.Response(200, json={"streams": {STREAM: StreamConfig(STREAM, "other/schema").to_json()}}),
         "stream", "other/schema"),
        (INTAKE, None, "reachable", "does not answer"),
        (INTAKE, httpx.Response(500, json={"error": [{"context": {"message": "Failed loading schema at /x"}}]}),
         "schema", "Failed loading schema"),
        (INTAKE, httpx.Response(202), "schema", "answered 202"),
    ],
)  # fmt: skip
def test_each_fault_has_a_remedy(address: str, answer: httpx.Response | None, subject: str, text: str) -> None:
    answers = {**healthy(), address: answer}
    systems, _ = examined({url: response for url, response in answers.items() if response is not None})
    (diagnosis,) = [item for item in missing(systems) if item.subject == subject]
    assert text in diagnosis.summary
    assert diagnosis.remedy


def test_later_generations_experiment_is_active_within_dates() -> None:
    late = NEEDS._replace(generation=Generation.XLAB, now=datetime(2040, 1, 1, tzinfo=UTC))
    (result,) = missing(examined(healthy(Generation.XLAB), late)[0])
    assert result.summary == f"{EXPERIMENT} is not active: now is not between start and end"


def test_without_canary_nothing_is_posted() -> None:
    systems, requested = examined(healthy(), NEEDS._replace(send_canary=False))
    assert not missing(systems)
    assert "POST" not in {request.method for request in requested}


def test_target_without_wiki_is_not_asked() -> None:
    systems, requested = examined(healthy(), target=replace(TARGET, wiki=""))
    assert not missing(systems)
    assert "wiki" not in {request.url.host for request in requested}


def test_redirects_are_not_followed() -> None:
    elsewhere = httpx.Response(302, headers={"location": "http://elsewhere/"})
    systems, requested = examined({**healthy(), WIKI: elsewhere, EXPERIMENTS: elsewhere})
    assert "elsewhere" not in {request.url.host for request in requested}
    assert {item.area for item in missing(systems)} == {"mpic", "wiki"}


def test_faults_of_other_configs_are_only_notes() -> None:
    foreign = {**example_instrument(name="foreign"), "sample_rate": {"default": "0.5"}}
    own = StreamConfig(STREAM, SCHEMA_TITLE).to_json()
    answers = {
        **healthy(),
        INSTRUMENTS: httpx.Response(200, json=[foreign, example_instrument()]),
        WIKI: httpx.Response(200, json={"streams": {"foreign": TEXT_RATE, STREAM: own}}),
    }
    systems, _ = examined(answers)
    assert not missing(systems)
    noted = {
        (item.area, item.subject): item.summary for item in systems.diagnoses if item.condition is Condition.UNKNOWN
    }
    assert "instruments[0].sample_rate.default" in noted["mpic", "other instruments"]
    assert "streams.foreign.sample.rate" in noted["wiki", "other streams"]
