"""Are the events themselves right: valid, named as configured, with the contextual attributes that were asked for?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from contracts.profiles import EventProfile, profile_of
from contracts.schemas import NestedTooDeeplyError, SchemaNotFoundError, SchemaRegistry
from contracts.table import event_of

_EXAMPLES = 5
_POSITION = "funnel_event_sequence_position"

#: Rows are validated one by one, so of a large table only so many; which ones follows from their ids.
_VALIDATED = 2_000


#: Attributes that some pages and wikis do not have, so that they may be asked for in vain.
_OPTIONAL = {
    "page__wikidata_qid",
    "page__namespace_name",
    "page__user_groups_allowed_to_move",
    "page__user_groups_allowed_to_edit",
    "mediawiki__site_content_language_variant",
    "performer__language_variant",
}


class Odd(NamedTuple):
    """A name that events should not carry: which field, what it is, what it should be, and in how many events."""

    field: str
    found: str | None
    expected: str
    events: int


class OddField(NamedTuple):
    """A field that the generation's events must or must not have: whether it is present, and in how many events."""

    field: str
    present: bool
    events: int


def check_names(evidence: Evidence) -> CheckResult:
    """Compare the names that events carry with what is configured, and their fields with those of the generation."""
    sent, landed = list(_odd_names(evidence, "sent_content")), list(_odd_names(evidence, "observed"))
    wrong = sent or landed
    fields = tuple(_odd_fields(evidence))
    if fields and not sent:
        return _odd_fields_result(evidence, fields)
    if not wrong:
        summary = "Every event names the instrument, element, schema and wiki that are configured."
        return CheckResult("names", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0)
    first = wrong[0]
    events = sum(item.events for item in wrong)
    found = "nothing" if first.found is None else repr(first.found)
    where = "look at the client" if sent else "though the right name was sent: look at what rewrites rows"
    summary = f"{first.events:,} events have {found} as {first.field}, where {first.expected!r} is configured: {where}."
    detail = {"events": events, "names": [item._asdict() for item in wrong[: 2 * _EXAMPLES]]}
    layer = Layer.INSTRUMENT if sent else Layer.TABLE
    return CheckResult("names", layer, CheckStatus.FAIL, summary, events, threshold=0, evidence=detail)


def check_stream(evidence: Evidence) -> CheckResult:
    """Look whether events are in the stream that their instrument is configured for."""
    name = evidence.plan.settings.parsed_instrument().stream_name
    sent = _elsewhere(evidence, "sent_content", name)
    landed = _elsewhere(evidence, "observed", name)
    wrong = sent or landed
    found = evidence.loss_location
    if found.elsewhere and not wrong:
        other = max(found.elsewhere, key=found.elsewhere.__getitem__)
        summary = (
            f"{found.astray:,} acknowledged events are in the topic {other!r} and not in the table, where the "
            f"instrument is configured for {name!r}: look at what routes events to streams."
        )
        misrouted = {"events": found.astray, "streams": found.elsewhere, "as_sent": False}
        return CheckResult(
            "stream", Layer.STREAM, CheckStatus.FAIL, summary, found.astray, threshold=0, evidence=misrouted
        )
    if not wrong:
        summary = f"Every event is in the stream {name!r}."
        return CheckResult("stream", Layer.STREAM, CheckStatus.PASS, summary, 0, threshold=0)
    events, other = sum(wrong.values()), max(wrong, key=wrong.__getitem__)
    summary = (
        f"{events:,} events are in the stream {other!r}, where the instrument is configured for {name!r}: look at "
        "the stream configs."
    )
    detail = {"events": events, "streams": wrong, "as_sent": bool(sent)}
    return CheckResult("stream", Layer.STREAM, CheckStatus.FAIL, summary, events, threshold=0, evidence=detail)


def check_attributes(evidence: Evidence) -> CheckResult:
    """Compare the contextual attributes that events carry with those that the stream asks for."""
    asked = set(map(_column, evidence.plan.settings.stream_config().provide_values))
    sent = _filled(evidence, "sent_content")
    # Where no row differs from what was sent, none of its attributes does.
    alike = not evidence.unexpected and all(row["fate"] != "corrupted" for row in evidence.fates)
    landed = dict(sent) if alike else _filled(evidence, "observed_all_fields")
    events = sent.pop("events")
    rows = landed.pop("events")
    attributes = sorted(sent)
    missing = [name for name in attributes if name in asked - _OPTIONAL and events and not sent[name]]
    extra = [name for name in attributes if name not in asked and sent[name]]
    gone = [name for name in attributes if sent[name] == events and 0 <= landed[name] < rows and rows]
    detail = {"asked_for": sorted(asked), "missing": missing, "not_asked_for": extra, "emptied_later": gone}
    if not events:
        why = "No event was sent, so no attribute is known."
        return CheckResult(
            "attributes", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, why, evidence=detail, matters=False
        )
    if missing or extra:
        told = [f"{_fields(missing)} asked for and in no event"] if missing else []
        told += [f"{_fields(extra)} not asked for and sent"] if extra else []
        summary = f"Of the contextual attributes, {' and '.join(told)}: look at the stream config and the client."
        return CheckResult(
            "attributes",
            Layer.INSTRUMENT,
            CheckStatus.FAIL,
            summary,
            len(missing + extra),
            threshold=0,
            evidence=detail,
        )
    if gone:
        summary = (
            f"Of the contextual attributes, {_fields(gone)} in every event sent and not in every row: look at "
            "what rewrites rows."
        )
        return CheckResult(
            "attributes", Layer.TABLE, CheckStatus.FAIL, summary, len(gone), threshold=0, evidence=detail
        )
    summary = f"Events carry the {len(asked)} contextual attributes that the stream asks for, and no others."
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
        why = "No row landed, so none could be validated."
        return CheckResult("schema", Layer.TABLE, CheckStatus.INCONCLUSIVE, why, evidence=detail, matters=False)
    if not problems:
        summary = f"All of {len(rows):,} rows that were validated fit the schema that they name."
        return CheckResult("schema", Layer.TABLE, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    worst = max(problems, key=problems.__getitem__)
    summary = (
        f"{problems[worst]:,} of {len(rows):,} rows that were validated do not fit their schema ({worst}): no "
        "intake lets them in, so look behind it."
    )
    return CheckResult(
        "schema", Layer.TABLE, CheckStatus.FAIL, summary, sum(problems.values()), threshold=0, evidence=detail
    )


def _odd_names(evidence: Evidence, table: str) -> Iterator[Odd]:
    """Yield the names that events of *table* carry and should not."""
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
    for (field, found), events in sorted(counts.items(), key=lambda item: -item[1]):
        yield Odd(field.replace("__", ".").replace("_schema", "$schema"), found, expected[field], events)


def _odd_fields(evidence: Evidence) -> Iterator[OddField]:
    """Yield the fields that the generation's events must have and do not, or must not have and do, as they were sent.

    A field whose name is compared already is left to that comparison.
    """
    profile = profile_of(evidence.manifest.generation)
    [counts] = evidence.engine.ask("filled_profile_fields", observed="sent_content")
    events = int(str(counts["events"]))
    for field in _fields_to_count(profile):
        having = int(str(counts[field]))
        if field in profile.forbidden and having:
            yield OddField(field, True, having)
        elif field in profile.required and having < events:
            yield OddField(field, False, events - having)


def _fields_to_count(profile: EventProfile) -> Iterator[str]:
    named = ("instrument_name", "element_friendly_name")
    # A funnel without token or position is the funnel's check's to tell.
    funnel = ("funnel_entry_token", *(("funnel_event_sequence_position",) if profile.has(_POSITION) else ()))
    yield from (name for name in (*profile.required, *profile.forbidden) if name not in (*named, *funnel))


def _odd_fields_result(evidence: Evidence, fields: Sequence[OddField]) -> CheckResult:
    generation = evidence.manifest.generation
    told = [
        f"{item.events:,} events have {item.field!r}, which no event of {generation} has"
        if item.present
        else f"{item.events:,} events lack {item.field!r}, which every event of {generation} has"
        for item in fields
    ]
    count = sum(item.events for item in fields)
    summary = f"{'; '.join(told)}: look at the client, and at whether the generation is right."
    detail = {"events": count, "fields": [item._asdict() for item in fields]}
    return CheckResult("names", Layer.INSTRUMENT, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)


def _elsewhere(evidence: Evidence, table: str, name: str) -> dict[str, int]:
    """Return how many events of *table* are in which stream other than *name*."""
    counts: dict[str, int] = {}
    for row in evidence.labels(table):
        if row["meta__stream"] != name:
            other = str(row["meta__stream"])
            counts[other] = counts.get(other, 0) + int(str(row["events"]))
    return counts


def _filled(evidence: Evidence, table: str) -> dict[str, int]:
    """Return how many events *table* has, and in how many of them each attribute is filled in."""
    [row] = evidence.engine.ask("filled_attributes", observed=table)
    return {name: int(str(value)) for name, value in row.items()}


def _column(attribute: str) -> str:
    """Return the flat column of a contextual attribute; `page_namespace` is alpha's name of the namespace's id."""
    thing, _, rest = attribute.partition("_")
    return f"{thing}__{'namespace_id' if attribute == 'page_namespace' else rest}"


def _fields(columns: Sequence[str]) -> str:
    return ", ".join(name.replace("__", ".") for name in columns)


def _problems(registry: SchemaRegistry, event: Mapping[str, object]) -> list[str]:
    try:
        return [str(problem) for problem in registry.validate(event)]
    except (SchemaNotFoundError, NestedTooDeeplyError) as error:
        return [str(error)]
