"""Whether what was sent could be accepted at all: validated again, under the schemas that the intake serves."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import orjson

from contracts.schema_probe import Served
from contracts.schemas import NestedTooDeeplyError, SchemaNotFoundError, SchemaRegistry

if TYPE_CHECKING:
    from analysis.run_model.load import Evidence

#: Of many events so many are validated again.
VALIDATED = 200

_FILLED_BY_THE_INTAKE = {"dt": "2025-01-01T00:00:00.000Z", "id": "00000000-0000-4000-8000-000000000000"}

#: What EventGate answers to an event whose schema it cannot load.
_NOT_LOADED = "Failed loading schema at "


class Dropped(NamedTuple):
    """Events that were answered 202 and are nowhere, because no intake could accept them.

    Attributes:
        events: how many; where lost events were validated in part, only those that were.
        problem: why the first kind of them cannot be accepted.
        lost: how many events were answered 202 and are nowhere, these among them.
        validated: how many of those were validated.
    """

    events: int
    problem: str
    lost: int
    validated: int

    @property
    def all_of_them(self) -> bool:
        """Whether every lost event that was looked at is one of them."""
        return self.lost > 0 and self.events >= min(self.lost, self.validated)


@dataclass(frozen=True, slots=True)
class IntakeSchemas:
    """The schemas as the intake of a run serves them.

    Attributes:
        registry: the project's own copies.
        answers: by URI, what the intake answered; a URI that is missing was not asked for.
    """

    registry: SchemaRegistry
    answers: Mapping[str, Served]

    def problem_of(self, body: bytes) -> str:
        """Return why an event cannot be accepted, once the intake has filled in its part; empty when it can."""
        event = orjson.loads(body)
        if not isinstance(event, dict) or not isinstance(event.get("meta"), dict):
            return "no object with a member meta"
        uri = event.get("$schema")
        served = self.answers.get(str(uri), Served.UNKNOWN)
        if served is Served.NO:
            return missing_schema(str(uri))
        event["meta"] = {
            "dt": "2025-01-01T00:00:00.000Z",
            "id": "00000000-0000-4000-8000-000000000000",
            **event["meta"],
        }
        try:
            problems = self.registry.validate(event)
        except (SchemaNotFoundError, NestedTooDeeplyError) as error:
            # A schema that the intake has and this project has not: nothing is known of the event.
            return "" if served is Served.YES else missing_schema(uri) if isinstance(uri, str) else str(error)
        return str(problems[0]) if problems else ""

    def lacks(self, uri: str) -> bool:
        """Return whether no event that names *uri* can be accepted."""
        served = self.answers.get(uri, Served.UNKNOWN)
        return served is Served.NO or (served is Served.UNKNOWN and uri not in _known(self.registry))


def missing_schema(uri: str) -> str:
    """Return the sentence on events that name a schema which the intake cannot load."""
    return f"events name schema {uri}, which does not exist"


def intake_schemas(evidence: "Evidence") -> IntakeSchemas:
    """Return the schemas of the run's intake: as it was asked, and as its refusals tell."""
    answers = dict(evidence.platform.schemas)
    for row in evidence.engine.ask("reasons"):
        _, found, uri = str(row["reason"]).partition(_NOT_LOADED)
        if found:
            answers[uri.split()[0] if uri.split() else ""] = Served.NO
    return IntakeSchemas(_registry(), answers)


def dropped(evidence: "Evidence") -> Dropped:
    """Return which of the events that were answered 202 and are nowhere no intake could accept."""
    rows = evidence.engine.ask("lost_schemas")
    lost = sum(int(str(row["lost_events"])) for row in rows)
    if not lost:
        return Dropped(0, "", 0, 0)
    schemas = intake_schemas(evidence)
    unserved = {str(row["schema_uri"]): int(str(row["lost_events"])) for row in rows if row["lost_events"]}
    unserved = {uri: events for uri, events in unserved.items() if schemas.lacks(uri)}
    if unserved:
        return Dropped(sum(unserved.values()), missing_schema(next(iter(unserved))), lost, lost)
    problems = [schemas.problem_of(body) for body in evidence.sent_bodies("lost_events", VALIDATED)]
    wrong = [problem for problem in problems if problem]
    return Dropped(len(wrong), wrong[0] if wrong else "", lost, len(problems))


@cache
def _registry() -> SchemaRegistry:
    return SchemaRegistry()


@cache
def _known(registry: SchemaRegistry) -> frozenset[str]:
    return frozenset(registry.uris())
