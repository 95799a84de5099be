"""Check the content of events: names, fields, stream, contextual attributes, schema."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from common.sentences import agree, count_of
from contracts.profiles import EventProfile, profile_of
from contracts.schemas import NestedTooDeeplyError, SchemaNotFoundError, SchemaRegistry
from contracts.table import event_of

_EXAMPLES = 5
_POSITION = "funnel_event_sequence_position"

#: Most rows that are validated, for each takes its time; their ids decide which.
_VALIDATED = 2_000

#: Attributes that some pages and wikis lack, so that a request for them may have no effect.
_OPTIONAL = {
    "page__wikidata_qid",
    "page__namespace_name",
    "page__user_groups_allowed_to_move",
    "page__user_groups_allowed_to_edit",
    "mediawiki__site_content_language_variant",
    "performer__language_variant",
}


class WrongName(NamedTuple):
    """A name that events should not carry: its field, actual and expected value, and the number of events."""

    field: str
    actual: str | None
    expected: str
    events: int


class WrongField(NamedTuple):
    """A field that is missing or forbidden in the generation: whether it is present, and the number of events."""

    field: str
    present: bool
    events: int


def check_names(evidence: Evidence) -> CheckResult:
    """Compare the names that events carry with what is configured, and their fields with those of the generation."""
    sent, landed = list(_wrong_names(evidence, "sent_content")), list(_wrong_names(evidence, "observed"))
    wrong = sent or landed
    fields = tuple(_wrong_fields(evidence))
    if fields and not sent:
        return _wrong_fields_result(evidence, fields)
    if not wrong:
        summary = "Every event names the configured instrument, element, schema and wiki."
        return CheckResult("names", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0)
    first = wrong[0]
    events = sum(item.events for item in wrong)
    actual = "nothing" if first.actual is None else repr(first.actual)
    where = ": look at the client" if sent else ", though the right name was sent: look at what rewrites rows"
    have = f"{count_of(first.events, 'event')} {agree(first.events, 'has', 'have')}"
    summary = f"{have} {actual} as {first.field}, where {first.expected!r} is configured{where}."
    detail = {"events": events, "names": [_name_json(item) for item in wrong[: 2 * _EXAMPLES]]}
    layer = Layer.INSTRUMENT if sent else Layer.TABLE
    return CheckResult("names", layer, CheckStatus.FAIL, summary, events, threshold=0, evidence=detail)


def check_stream(evidence: Evidence) -> CheckResult:
    """Find events outside the stream that their instrument is configured for."""
    name = evidence.plan.settings.parsed_instrument().stream_name
    sent = _in_other_streams(evidence, "sent_content", name)
    landed = _in_other_streams(evidence, "observed", name)
    wrong = sent or landed
    lost = evidence.loss_location
    if lost.elsewhere and not wrong:
        other = max(lost.elsewhere, key=lost.elsewhere.__getitem__)
        summary = (
            f"{count_of(lost.astray, 'acknowledged event')} {agree(lost.astray, 'is', 'are')} in the topic {other!r} "
            f"and not in the table; the instrument's stream is {name!r}: look at what routes events to streams."
        )
        misrouted = {"events": lost.astray, "streams": lost.elsewhere, "as_sent": False}
        return CheckResult(
            "stream", Layer.STREAM, CheckStatus.FAIL, summary, lost.astray, threshold=0, evidence=misrouted
        )
    if not wrong:
        summary = f"Every event is in the stream {name!r}."
        return CheckResult("stream", Layer.STREAM, CheckStatus.PASS, summary, 0, threshold=0)
    events, other = sum(wrong.values()), max(wrong, key=wrong.__getitem__)
    summary = (
        f"{count_of(events, 'event')} {agree(events, 'is', 'are')} in the stream {other!r}; the instrument's stream is "
        f"{name!r}: look at the stream configs."
    )
    detail = {"events": events, "streams": wrong, "as_sent": bool(sent)}
    return CheckResult("stream", Layer.STREAM, CheckStatus.FAIL, summary, events, threshold=0, evidence=detail)


def check_attributes(evidence: Evidence) -> CheckResult:
    """Compare the contextual attributes that events carry with those that the stream requests."""
    requested = set(map(_column, evidence.plan.settings.stream_config().provide_values))
    sent = _filled(evidence, "sent_content")
    # Rows that all equal the sent events have the same attributes.
    alike = not evidence.unexpected and all(row["fate"] != "corrupted" for row in evidence.fates)
    landed = dict(sent) if alike else _filled(evidence, "observed_all_fields")
    events = sent.pop("events")
    rows = landed.pop("events")
    attributes = sorted(sent)
    missing = [name for name in attributes if name in requested - _OPTIONAL and events and not sent[name]]
    extra = [name for name in attributes if name not in requested and sent[name]]
    emptied = [name for name in attributes if sent[name] == events and 0 <= landed[name] < rows and rows]
    detail = {"asked_for": sorted(requested), "missing": missing, "not_asked_for": extra, "emptied_later": emptied}
    if not events:
        reason = "No event was sent, so its attributes are unknown."
        return CheckResult(
            "attributes", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, reason, evidence=detail, matters=False
        )
    if missing or extra:
        wrong = [f"{_fields(missing)} requested and in no event"] if missing else []
        wrong += [f"{_fields(extra)} sent and not requested"] if extra else []
        number = len(missing + extra)
        summary = (
            f"{count_of(number, 'contextual attribute')} {agree(number, 'is', 'are')} wrong: {'; '.join(wrong)}. "
            "Look at the stream config and at the client."
        )
        return CheckResult(
            "attributes",
            Layer.INSTRUMENT,
            CheckStatus.FAIL,
            summary,
            len(missing + extra),
            threshold=0,
            evidence=detail,
        )
    if emptied:
        summary = (
            f"{count_of(len(emptied), 'contextual attribute')} ({_fields(emptied)}) of every sent event "
            f"{agree(len(emptied), 'is', 'are')} missing from rows: look at what rewrites rows."
        )
        return CheckResult(
            "attributes", Layer.TABLE, CheckStatus.FAIL, summary, len(emptied), threshold=0, evidence=detail
        )
    summary = f"Events carry exactly the {count_of(len(requested), 'contextual attribute')} that the stream requests."
    return CheckResult("attributes", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)


def check_schema(evidence: Evidence) -> CheckResult:
    """Validate rows against the schema that they name: all of them, or a few thousand of a large table."""
    problems: dict[str, int] = {}
    examples: list[Mapping[str, object]] = []
    registry = SchemaRegistry()
    rows = evidence.engine.ask("rows_to_validate", {"most": _VALIDATED})
    for row in rows:
        event = event_of(row)
        for problem in _problems(registry, event):
            problems[problem] = problems.get(problem, 0) + 1
            if len(examples) < _EXAMPLES:
                examples.append({"id": row["meta__id"], "problem": problem})
    detail = {"validated": len(rows), "of": evidence.observed_rows, "problems": problems, "examples": examples}
    if not rows:
        reason = "No row landed, so there is nothing to validate."
        return CheckResult("schema", Layer.TABLE, CheckStatus.INCONCLUSIVE, reason, evidence=detail, matters=False)
    if not problems:
        summary = f"All {count_of(len(rows), 'validated row')} fit the schema that they name."
        return CheckResult("schema", Layer.TABLE, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    worst = max(problems, key=problems.__getitem__)
    summary = (
        f"{problems[worst]:,} of {count_of(len(rows), 'validated row')} {agree(problems[worst], 'does', 'do')} not fit "
        f"the schema ({worst}): no intake accepts them, so look behind the intake."
    )
    return CheckResult(
        "schema", Layer.TABLE, CheckStatus.FAIL, summary, sum(problems.values()), threshold=0, evidence=detail
    )


def _wrong_names(evidence: Evidence, table: str) -> Iterator[WrongName]:
    """Yield the names that events of *table* should not carry, the most frequent first."""
    settings = evidence.plan.settings
    profile = profile_of(evidence.manifest.generation)
    expected = {
        "instrument_name": profile.instrument_name(settings.parsed_instrument().name),
        "element_friendly_name": settings.element,
        "_schema": profile.schema,
        "mediawiki__database": settings.wiki,
    }
    if "mediawiki_database" not in settings.stream_config().provide_values:
        del expected["mediawiki__database"]
    counts: dict[tuple[str, str | None], int] = {}
    for row in evidence.labels(table):
        for field, name in expected.items():
            if row[field] != name:
                key = field, None if row[field] is None else str(row[field])
                counts[key] = counts.get(key, 0) + int(str(row["events"]))
    for (field, actual), events in sorted(counts.items(), key=lambda item: -item[1]):
        yield WrongName(field.replace("__", ".").replace("_schema", "$schema"), actual, expected[field], events)


def _name_json(item: WrongName) -> dict[str, object]:
    """Return *item* with the keys of verdict.json."""
    return {"field": item.field, "found": item.actual, "expected": item.expected, "events": item.events}


def _wrong_fields(evidence: Evidence) -> Iterator[WrongField]:
    """Yield the required fields that sent events lack and the forbidden ones that they have, by the generation.

    Fields whose value is compared elsewhere are left out.
    """
    profile = profile_of(evidence.manifest.generation)
    [counts] = evidence.engine.ask("filled_profile_fields", observed="sent_content")
    events = int(str(counts["events"]))
    for field in _fields_to_count(profile):
        having = int(str(counts[field]))
        if field in profile.forbidden and having:
            yield WrongField(field, True, having)
        elif field in profile.required and having < events:
            yield WrongField(field, False, events - having)


def _fields_to_count(profile: EventProfile) -> Iterator[str]:
    named = ("instrument_name", "element_friendly_name")
    # The check `funnel` reports a funnel without token or position.
    funnel = ("funnel_entry_token", *(("funnel_event_sequence_position",) if profile.has(_POSITION) else ()))
    yield from (name for name in (*profile.required, *profile.forbidden) if name not in (*named, *funnel))


def _wrong_fields_result(evidence: Evidence, fields: Sequence[WrongField]) -> CheckResult:
    generation = evidence.manifest.generation
    clauses = [
        f"{count_of(item.events, 'event')} {agree(item.events, 'has', 'have')} {item.field!r}, which no event of "
        f"{generation} has"
        if item.present
        else f"{count_of(item.events, 'event')} {agree(item.events, 'lacks', 'lack')} {item.field!r}, which every "
        f"event of {generation} has"
        for item in fields
    ]
    count = sum(item.events for item in fields)
    summary = f"{'; '.join(clauses)}: look at the client, and check the run's generation."
    detail = {"events": count, "fields": [item._asdict() for item in fields]}
    return CheckResult("names", Layer.INSTRUMENT, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)


def _in_other_streams(evidence: Evidence, table: str, name: str) -> dict[str, int]:
    """Return the number of events of *table* by stream, of streams other than *name*."""
    counts: dict[str, int] = {}
    for row in evidence.labels(table):
        if row["meta__stream"] != name:
            other = str(row["meta__stream"])
            counts[other] = counts.get(other, 0) + int(str(row["events"]))
    return counts


def _filled(evidence: Evidence, table: str) -> dict[str, int]:
    """Return the number of events of *table*, and the number in which each attribute is filled in."""
    [row] = evidence.engine.ask("filled_attributes", observed=table)
    return {name: int(str(value)) for name, value in row.items()}


def _column(attribute: str) -> str:
    """Return the flat column of a contextual attribute; `page_namespace` is alpha's name for the namespace id."""
    thing, _, rest = attribute.partition("_")
    return f"{thing}__{'namespace_id' if attribute == 'page_namespace' else rest}"


def _fields(columns: Sequence[str]) -> str:
    return ", ".join(name.replace("__", ".") for name in columns)


def _problems(registry: SchemaRegistry, event: Mapping[str, object]) -> list[str]:
    try:
        return [str(problem) for problem in registry.validate(event)]
    except (SchemaNotFoundError, NestedTooDeeplyError) as error:
        return [str(error)]
