"""Validity of sent events under the schemas that the intake serves: could any intake accept them?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import orjson

from contracts.schema_probe import Served
from contracts.schemas import NestedTooDeeplyError, SchemaNotFoundError, SchemaRegistry

if TYPE_CHECKING:
    from analysis.run_model.load import Evidence

#: Maximum number of events that are validated again.
VALIDATED = 200

#: Members of `meta` that the intake fills in, with example values.
_FILLED_BY_THE_INTAKE = {"dt": "2025-01-01T00:00:00.000Z", "id": "00000000-0000-4000-8000-000000000000"}

#: EventGate's message for an event whose schema it cannot load.
_NOT_LOADED = "Failed loading schema at "


class UnacceptableEvents(NamedTuple):
    """Lost events that were answered 202 and that no intake could accept.

    Attributes:
        events: their number; where only a part of the lost events was validated, their number in that part.
        problem: validation error of the first kind of them.
        lost: number of lost events that were answered 202, these included.
        validated: number of lost events that were validated.
    """

    events: int
    problem: str
    lost: int
    validated: int

    @property
    def explain_all_losses(self) -> bool:
        """Whether every validated lost event is unacceptable."""
        return self.lost > 0 and self.events >= min(self.lost, self.validated)


@dataclass(frozen=True, slots=True)
class IntakeSchemas:
    """Schemas that the intake of a run serves.

    Attributes:
        registry: the project's copies of the schemas.
        answers: the intake's response by URI; a missing URI was not requested.
    """

    registry: SchemaRegistry
    answers: Mapping[str, Served]

    def problem_of(self, body: bytes) -> str:
        """Return why the intake cannot accept an event, after it has filled in its part; empty if it can."""
        event = orjson.loads(body)
        if not isinstance(event, dict) or not isinstance(event.get("meta"), dict):
            return "not an object with a member meta"
        uri = event.get("$schema")
        served = self.answers.get(str(uri), Served.UNKNOWN)
        if served is Served.NO:
            return missing_schema(str(uri))
        event["meta"] = {**_FILLED_BY_THE_INTAKE, **event["meta"]}
        try:
            problems = self.registry.validate(event)
        except (SchemaNotFoundError, NestedTooDeeplyError) as error:
            # The intake has a schema that this project lacks: the event's validity is unknown.
            return "" if served is Served.YES else missing_schema(uri) if isinstance(uri, str) else str(error)
        return str(problems[0]) if problems else ""

    def lacks(self, uri: str) -> bool:
        """Return whether the intake rejects every event that names *uri*."""
        served = self.answers.get(uri, Served.UNKNOWN)
        return served is Served.NO or (served is Served.UNKNOWN and uri not in _known_uris(self.registry))


def missing_schema(uri: str) -> str:
    """Return the message for events with a schema that the intake cannot load."""
    return f"events name schema {uri}, which does not exist"


def intake_schemas(evidence: "Evidence") -> IntakeSchemas:
    """Return the schemas of the run's intake, by its responses to requests and its reasons for rejections."""
    answers = dict(evidence.platform.schemas)
    for row in evidence.engine.ask("rejection_reasons"):
        _, separator, uri = str(row["reason"]).partition(_NOT_LOADED)
        if separator:
            answers[uri.split()[0] if uri.split() else ""] = Served.NO
    return IntakeSchemas(_registry(), answers)


def find_unacceptable(evidence: "Evidence") -> UnacceptableEvents:
    """Return the lost events that were answered 202 and that no intake could accept."""
    rows = evidence.engine.ask("schemas_of_lost_events")
    lost = sum(int(str(row["lost_events"])) for row in rows)
    if not lost:
        return UnacceptableEvents(0, "", 0, 0)
    schemas = intake_schemas(evidence)
    unserved = {str(row["schema_uri"]): int(str(row["lost_events"])) for row in rows if row["lost_events"]}
    unserved = {uri: events for uri, events in unserved.items() if schemas.lacks(uri)}
    if unserved:
        return UnacceptableEvents(sum(unserved.values()), missing_schema(next(iter(unserved))), lost, lost)
    problems = [schemas.problem_of(body) for body in evidence.sent_bodies("lost_events", VALIDATED)]
    invalid = [problem for problem in problems if problem]
    return UnacceptableEvents(len(invalid), invalid[0] if invalid else "", lost, len(problems))


@cache
def _registry() -> SchemaRegistry:
    return SchemaRegistry()


@cache
def _known_uris(registry: SchemaRegistry) -> frozenset[str]:
    return frozenset(registry.uris())
