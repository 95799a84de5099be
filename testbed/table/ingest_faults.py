"""Faults of ingestion: functions that change its rules. The catalogue is in `testbed.faults`."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from testbed.faults import TREATMENTS, FaultLocation, choose_at
from testbed.table.ingest_rules import Rules

#: Number of events from which a user counts as a bot: in a treatment group, and elsewhere.
_BOT_TREATED, _BOT = 5, 12

Event = dict[str, Any]


def inject(rules: Rules, faults: Iterable[str]) -> Rules:
    """Return *rules* with *faults* switched on; faults of other parts of the testbed are ignored."""
    for fault in choose_at(FaultLocation.TABLE, faults):
        rules = _SWITCHES[fault](rules)
    return rules


def without_newest_hour(lines: Sequence[bytes]) -> list[bytes]:
    """Return *lines* without those of the newest hour, by `meta.dt`."""
    hours = [str(event.get("meta", {}).get("dt", ""))[:13] for event in map(_parsed, lines)]
    newest = max(hours, default="")
    return [line for line, hour in zip(lines, hours, strict=True) if hour != newest]


def truncated(lines: Sequence[bytes]) -> list[bytes]:
    """Return *lines* with every assigned group one character shorter."""
    return [orjson.dumps(_truncated(event)) for event in map(_parsed, lines)]


def without_bots(lines: Sequence[bytes]) -> list[bytes]:
    """Return *lines* without those of users with many events; the threshold depends on the group."""
    events = [
        (_subject(event), _is_treated(event), line) for event, line in zip(map(_parsed, lines), lines, strict=True)
    ]
    counts = Counter(subject for subject, _, _ in events)
    return [
        line
        for subject, treated, line in events
        if not subject or counts[subject] < (_BOT_TREATED if treated else _BOT)
    ]


def _with_change(change: Callable[[Sequence[bytes]], list[bytes]]) -> Callable[[Rules], Rules]:
    return lambda rules: replace(rules, change=_chained(rules.change, change))


def _chained(
    first: Callable[[Sequence[bytes]], list[bytes]], then: Callable[[Sequence[bytes]], list[bytes]]
) -> Callable[[Sequence[bytes]], list[bytes]]:
    return lambda lines: then(first(lines))


_SWITCHES: Mapping[str, Callable[[Rules], Rules]] = {
    "canary-kept": lambda rules: replace(rules, canary_domain=""),
    "truncated-group": _with_change(truncated),
    "bot-filter": _with_change(without_bots),
    # The skipped lines have to be read again by the next ingestion.
    "late-partition": lambda rules: replace(_with_change(without_newest_hour)(rules), moves_on=False),
}


def _parsed(line: bytes) -> Event:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}


def _truncated(event: Event) -> Event:
    for name in ("experiments", "experiment"):
        part = event.get(name)
        if not isinstance(part, dict):
            continue
        groups = part.get("assigned")
        if isinstance(groups, dict):
            part["assigned"] = {feature: group[:-1] for feature, group in groups.items()}
        elif isinstance(groups, str):
            part["assigned"] = groups[:-1]
    return event


def _subject(event: Event) -> str:
    experiment, performer = event.get("experiment"), event.get("performer")
    if isinstance(experiment, dict):
        return str(experiment.get("subject_id", ""))
    return str(performer.get("id", "")) if isinstance(performer, dict) and "experiments" in event else ""


def _is_treated(event: Event) -> bool:
    experiment, experiments = event.get("experiment"), event.get("experiments")
    if isinstance(experiment, dict):
        return experiment.get("assigned") in TREATMENTS
    return isinstance(experiments, dict) and bool(TREATMENTS & set((experiments.get("assigned") or {}).values()))
