"""Our schema of web/base 1.3.0 accepts and rejects what the original does, event by event."""

import copy
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import jsonschema_rs
import pytest
import yaml

from metrics_platform.schemas import WEB_BASE_1_3_0, WEB_BASE_1_4_2, SchemaNotFoundError, SchemaRegistry
from tests.contracts import contract_path

Event = dict[str, Any]

_VALUES: tuple[object, ...] = (
    None, True, False, 0, 1, -1, -2, 1.0, 1.5, 2**53 - 1, 2**53, -(2**53), 10**25, "", "x", "a" * 20,
    "A" * 20, "0" * 19,
    "a" * 21, "x" * 64, "x" * 65,
    "x" * 80, "x" * 81, "x" * 128, "x" * 129, "x" * 255, "x" * 256, "x" * 8192, "x" * 8193,
    "é" * 64, "2025-01-31T14:30:00.000Z", "2025-01-31T14:30:00+01:00", "2025-02-30T00:00:00Z", "2025-01-31", "now",
    "/wiki/A", "http://x/ y", "%zz", [], ["x"], [""], [1], [None], {}, {"x": "y"}, {"x": ""}, {"x": 1}, {"x": None},
    "mediawiki_js", "app", "prod", "session", "device", "0 edits", "1000+ edits",
)  # fmt: skip


def original() -> Event:
    schema: Event = yaml.safe_load(contract_path("schema-web_base-1.3.0.yaml").read_text())
    # The two spellings of draft 7's name are one schema; only this one is known to every library.
    return {**schema, "$schema": "http://json-schema.org/draft-07/schema#"}


def paths(schema: Event, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, member in schema.get("properties", {}).items():
        yield (*path, name)
        yield from paths(member, (*path, name))


def put(event: Event, path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        if not isinstance(event.get(name), dict):
            event[name] = {}
        event = event[name]
    event[path[-1]] = copy.deepcopy(value)


def drop(event: Event, path: tuple[str, ...]) -> None:
    for name in path[:-1]:
        if not isinstance(event.get(name), dict):
            return
        event = event[name]
    event.pop(path[-1], None)


def events(schema: Event, captured: list[Event], count: int, seed: int) -> Iterator[Event]:
    """Yield mutations of captured events and of the schema's own example, which has every field."""
    draw = random.Random(seed)  # noqa: S311
    places = list(paths(schema))
    bases = [*captured, *schema["examples"] * 60]
    for _ in range(count):
        event: Event = copy.deepcopy(draw.choice(bases))
        for _ in range(draw.choice((0, 0, 1, 1, 1, 2))):
            path = draw.choice(places)
            match draw.randrange(8):
                case 0:
                    drop(event, path)
                case 1:
                    put(event, (*path[:-1], "surprise"), draw.choice(_VALUES))
                case 2 if path[-1] == "id" or "token" in path[-1]:
                    put(event, path, draw.choice(("0" * 20, "z" * 20, "Z" * 20, "0" * 19, -1, 0, 2**53)))
                case 3:
                    put(event, path, draw.choice(_leaf(schema, path).get("enum", _VALUES)))
                case 4 if "maxLength" in _leaf(schema, path):
                    put(event, path, "x" * (_leaf(schema, path)["maxLength"] + draw.choice((-1, 0, 1))))
                case 5 if "maximum" in _leaf(schema, path):
                    leaf = _leaf(schema, path)
                    put(event, path, draw.choice((leaf["maximum"], leaf["minimum"])) + draw.choice((-1, 0, 1)))
                case _:
                    put(event, path, draw.choice(_VALUES))
        yield event


def _leaf(schema: Event, path: tuple[str, ...]) -> Event:
    for name in path:
        schema = schema["properties"][name]
    return schema


def captured() -> list[Event]:
    return [json.loads(line) for line in contract_path("captured-accepted-events.ndjson").read_text().splitlines()]


def test_20_000_events_get_the_same_answer_from_our_schema_and_the_original() -> None:
    schema = original()
    theirs = jsonschema_rs.Draft7Validator(schema, validate_formats=True)
    ours = SchemaRegistry().load(WEB_BASE_1_3_0).validator
    answers: Counter[bool] = Counter()
    rules: Counter[str] = Counter()
    for event in events(schema, captured(), 24_000, seed=1):
        accepted = theirs.is_valid(event)
        assert ours.is_valid(event) is accepted, event
        answers[accepted] += 1
        rules.update(error.kind.name for error in theirs.iter_errors(event))
    assert answers.total() == 24_000
    assert min(answers.values()) > 0.3 * answers.total(), answers
    for rule in ("type", "required", "additionalProperties", "enum", "pattern", "format", "maximum", "minimum"):
        assert rules[rule] > 20, rules
    for rule in ("minLength", "maxLength"):
        assert rules[rule] > 20, rules


def test_another_implementation_agrees() -> None:
    schema = original()
    checker = jsonschema.Draft7Validator.FORMAT_CHECKER
    theirs = jsonschema.Draft7Validator(schema, format_checker=checker)
    ours = SchemaRegistry().load(WEB_BASE_1_3_0).validator
    agreed = Counter(
        ours.is_valid(event) is theirs.is_valid(event) for event in events(schema, captured(), 1500, seed=2)
    )
    assert agreed == {True: 1500}


@pytest.mark.parametrize("uri", [WEB_BASE_1_3_0, WEB_BASE_1_4_2])
def test_both_schemas_are_in_the_folder(uri: str) -> None:
    registry = SchemaRegistry()
    assert uri in registry.uris()
    assert registry.load(uri).title == "analytics/product_metrics/web/base"


def test_captured_events_are_valid() -> None:
    registry = SchemaRegistry()
    assert [registry.validate(event) for event in captured()] == [()] * 227


def test_1_4_2_takes_experiment_in_place_of_experiments() -> None:
    registry = SchemaRegistry()
    event = {**captured()[0], "$schema": WEB_BASE_1_4_2}
    assert [str(problem) for problem in registry.validate(event)] == ["'' should NOT have additional properties"]
    del event["experiments"]
    event["experiment"] = {
        "enrolled": "e", "assigned": "control", "subject_id": "awaiting",
        "sampling_unit": "mw-user", "coordinator": "xLab",
    }  # fmt: skip
    assert registry.validate(event) == ()
    event["experiment"]["sampling_unit"] = "device"
    assert registry.validate(event)[0].path == ".experiment.sampling_unit"


@pytest.mark.parametrize(
    "uri",
    [
        "/analytics/product_metrics/web/base/1.3.1",
        "http://schema.test/analytics/product_metrics/web/base/1.3.0",
        "//schema.test/analytics/1.0.0",
        "/analytics/../analytics/product_metrics/web/base/1.3.0",
        "/../../etc/passwd",
        "/analytics/%2e%2e/1.0.0",
        "/analytics\\product_metrics/1.3.0",
        "analytics/product_metrics/web/base/1.3.0",
        "/analytics/product_metrics/web/base/latest",
        "",
    ],
)
def test_only_plain_names_of_the_folder_are_schemas(uri: str) -> None:
    with pytest.raises(SchemaNotFoundError, match="Failed loading schema at"):
        SchemaRegistry().load(uri)


@pytest.mark.parametrize("change", [lambda e: e.pop("$schema"), lambda e: e.update({"$schema": 1})])
def test_an_event_without_a_schema_is_no_event(change: Callable[[Event], object]) -> None:
    event = captured()[0]
    change(event)
    with pytest.raises(SchemaNotFoundError, match="Field\\(s\\) \\$schema were missing"):
        SchemaRegistry().validate(event)
