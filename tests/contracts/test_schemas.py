"""Our schema of web/base 1.3.0 accepts and rejects what the original does, event by event."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import jsonschema
import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contracts.schemas import WEB_BASE_1_3_0, WEB_BASE_1_4_2, SchemaNotFoundError, SchemaRegistry
from tests.contract_samples import contract_path
from tests.contracts.mutations import Event, Rule, mutations, rules

#: Rules of the original that no event can break: every text is at least 0 long, and every event is an object.
UNBREAKABLE: set[Rule] = {
    ("type",),
    ("properties", "page", "properties", "namespace_name", "minLength"),
}

#: A length of a whole number: a text there is of the wrong type already, so we leave the rule out.
IDLE: Rule = ("properties", "performer", "properties", "id", "minLength")


def original() -> Event:
    schema: Event = yaml.safe_load(contract_path("schema-web_base-1.3.0.yaml").read_text())
    # The two spellings of draft 7's name are one schema; only this one is known to every library.
    return {**schema, "$schema": "http://json-schema.org/draft-07/schema#"}


def captured_events() -> list[Event]:
    return [json.loads(line) for line in contract_path("captured-accepted-events.ndjson").read_text().splitlines()]


def bases() -> list[Event]:
    """Good events: the captured ones, and as many copies of the schema's own example, which has every field."""
    captured = captured_events()
    return [*captured, *original()["examples"] * len(captured)]


def _is_time(value: str) -> bool:
    """Return whether *value* looks like a date and a time with an offset; there need be no such day."""
    date, time = value[:10], value[11:]
    return bool(
        re.fullmatch(r"\d{4}-[01]\d-[0-3]\d", date, re.ASCII)
        and re.fullmatch(r"[Tt\s]", value[10:11])
        and re.fullmatch(r"([0-2]\d(:[0-5]\d){2}|23:59:60)(\.\d+)?([Zz]|[+-]\d\d(:?\d\d)?)", time, re.ASCII)
    )


def _is_address(value: str) -> bool:
    """Return whether *value* has no blanks, and no backslash at the beginning or in its fragment."""
    before, _, fragment = value.partition("#")
    return not (re.search(r"\s", value) or before.startswith("\\") or "\\" in fragment)


#: Formats as EventGate's validator has them (`tests/testbed/intake/test_leniency.py`).
LOOSE = {"date-time": _is_time, "uri-reference": _is_address}


def broken(validator: jsonschema_rs.Draft7Validator, event: Event) -> set[tuple[Rule, Rule]]:
    """Return which rules are broken, and where in the event."""
    return {
        (tuple(map(str, error.schema_path)), tuple(map(str, error.instance_path)))
        for error in validator.iter_errors(event)
    }


def test_24_000_events_match_the_original_schema() -> None:
    schema = original()
    theirs = jsonschema_rs.Draft7Validator(schema, formats=LOOSE, validate_formats=True)
    ours = SchemaRegistry().load(WEB_BASE_1_3_0).validator
    known = rules(schema)
    answers: Counter[bool] = Counter()
    hits: Counter[Rule] = Counter()
    for event in mutations(schema, bases(), 24_000, seed=1):
        accepted = theirs.is_valid(event)
        assert ours.is_valid(event) is accepted, event
        answers[accepted] += 1
        if not accepted:
            reasons = broken(theirs, event)
            names = {(rule if rule in known else (*rule[:-1], "format"), at) for rule, at in broken(ours, event)}
            assert names == {reason for reason in reasons if reason[0] != IDLE}, event
            hits.update(rule for rule, _ in reasons)
    assert answers.total() == 24_000
    assert min(answers.values()) > 0.3 * answers.total(), answers
    assert known - hits.keys() == UNBREAKABLE
    assert min(hits.values()) >= 10, hits.most_common()[-5:]


def test_another_implementation_agrees() -> None:
    schema = original()
    checker = jsonschema.FormatChecker(())
    for name, looks_right in LOOSE.items():
        checker.checks(name)(lambda value, looks_right=looks_right: not isinstance(value, str) or looks_right(value))
    theirs = jsonschema.Draft7Validator(schema, format_checker=checker)
    ours = SchemaRegistry().load(WEB_BASE_1_3_0).validator
    answers: Counter[bool] = Counter()
    for event in mutations(schema, bases(), 4_000, seed=2):
        accepted = theirs.is_valid(event)
        assert ours.is_valid(event) is accepted, event
        answers[accepted] += 1
    assert min(answers.values()) > 1_200, answers


@pytest.mark.parametrize("uri", [WEB_BASE_1_3_0, WEB_BASE_1_4_2])
def test_both_schemas_are_in_the_folder(uri: str) -> None:
    registry = SchemaRegistry()
    assert uri in registry.uris()
    assert registry.load(uri).title == "analytics/product_metrics/web/base"


def test_captured_events_are_valid() -> None:
    registry = SchemaRegistry()
    assert [registry.validate(event) for event in captured_events()] == [()] * 227


def test_1_4_2_takes_experiment_in_place_of_experiments() -> None:
    registry = SchemaRegistry()
    event = {**captured_events()[0], "$schema": WEB_BASE_1_4_2}
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


@given(st.text(alphabet="/.%\\:ab12\x00", max_size=30) | st.text(max_size=30))
def test_no_other_text_is_a_schema(uri: str) -> None:
    registry = SchemaRegistry()
    if uri not in registry.uris():
        with pytest.raises(SchemaNotFoundError):
            registry.load(uri)


def test_a_file_beside_the_folder_is_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "1.0.0.json").write_text('{"title": "outside"}')
    folder = tmp_path / "folder"
    (folder / "inside").mkdir(parents=True)
    (folder / "inside" / "1.0.0.json").write_text('{"title": "inside", "type": "object"}')
    registry = SchemaRegistry(folder)
    assert registry.load("/inside/1.0.0").title == "inside"
    for uri in ("/../outside/1.0.0", "/inside/../../outside/1.0.0", f"{tmp_path}/outside/1.0.0", "/./inside/1.0.0"):
        with pytest.raises(SchemaNotFoundError):
            registry.load(uri)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("action",), 1, "'.action' should be string"),
        (("action",), "x" * 65, "'.action' should NOT be longer than 64 characters"),
        (("meta", "stream"), "", "'.meta.stream' should NOT be shorter than 1 characters"),
        (("meta", "dt"), "now", "'.meta.dt' should match format \"date-time\""),
        (("page", "id"), -2, "'.page.id' should be >= -1"),
        (("sample",), {"rate": 1.5}, "'.sample.rate' should be <= 1"),
        (("agent", "release_status"), "beta", "'.agent.release_status' should be equal to one of the allowed values"),
        (("performer", "session_id"), "Z" * 20, "'.performer.session_id' should match pattern \"^[0-9a-z]{20}$\""),
        (("page", "shoe_size"), 44, "'.page' should NOT have additional properties"),
        (("experiments", "enrolled"), ["a", 1], "'.experiments.enrolled[1]' should be string"),
        (("http",), {"request_headers": {"user-agent": 1}}, "'.http.request_headers['user-agent']' should be string"),
    ],
)
def test_problems_have_eventgates_wording(path: tuple[str, ...], value: object, problem: str) -> None:
    event = captured_events()[0]
    holder = event
    for name in path[:-1]:
        holder = holder.setdefault(name, {})
    holder[path[-1]] = value
    assert [str(item) for item in SchemaRegistry().validate(event)] == [problem]


def test_a_missing_member_is_named() -> None:
    event = captured_events()[0]
    del event["meta"]["stream"]
    assert [str(item) for item in SchemaRegistry().validate(event)] == [
        "'.meta' should have required property 'stream'"
    ]


@pytest.mark.parametrize("change", [lambda e: e.pop("$schema"), lambda e: e.update({"$schema": 1})])
def test_an_event_without_a_schema_is_refused(change: Callable[[Event], object]) -> None:
    event = captured_events()[0]
    change(event)
    with pytest.raises(SchemaNotFoundError, match="Field\\(s\\) \\$schema were missing"):
        SchemaRegistry().validate(event)
