"""Evidence with given counts, for checks that are tested without a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from analysis.run_model.load import Evidence
from analysis.run_model.sent_validity import UnacceptableEvents
from analysis.summaries.loss_location import LossLocation
from analysis.verdict import Layer
from contracts.generation import Generation
from run_record.platform_state import PlatformState
from tests.plans import plan

UNKNOWN = LossLocation(known=False)

Rows = Sequence[Mapping[str, object]]

VALID = next(plan(Generation.ALPHA).events(0, 100)).body


ALL_ACCEPTABLE = UnacceptableEvents(0, "", 0, 0)


@dataclass
class Given:
    """Evidence with given rows.

    Attributes:
        counted: rows of (group, fate, events).
        answers: rows of the other queries, by name; none when not given.
        queries: queries that ran, with their values.
    """

    counted: Sequence[tuple[str, str, int]] = ()
    answers: Mapping[str, Rows] = field(default_factory=dict)
    delivery_layer: Layer = Layer.TABLE
    hasty: bool = False
    loss_location: LossLocation = UNKNOWN
    duplicates: Rows = ()
    unexpected: Rows = ()
    deadline_s: int = 10_800
    bodies: Sequence[bytes] = ()
    unacceptable: UnacceptableEvents = ALL_ACCEPTABLE
    platform: PlatformState = field(default_factory=PlatformState)
    other_runs: Mapping[str, int] = field(default_factory=dict)
    queries: list[tuple[str, object]] = field(default_factory=list)

    @property
    def fates(self) -> Rows:
        return [{"group_name": group, "fate": fate, "events": events} for group, fate, events in self.counted]

    @property
    def engine(self) -> "Given":
        return self

    @property
    def time_buckets(self) -> tuple[()]:
        return ()

    @property
    def manifest(self) -> SimpleNamespace:
        return SimpleNamespace(deadline_s=self.deadline_s)

    @property
    def ledger(self) -> SimpleNamespace:
        return SimpleNamespace(visit=range(sum(events for *_, events in self.counted)))

    def ask(self, query: str, values: object = None) -> Rows:
        self.queries.append((query, values))
        return self.answers.get(query, ())

    def sent_bodies(self, query: str, most: int) -> Iterator[bytes]:
        self.queries.append((query, most))
        yield from self.bodies

    def evidence(self) -> Evidence:
        return cast(Evidence, self)


EXAMPLES: dict[str, Sequence[Mapping[str, object]]] = {"fate_examples": [{"visit": 3, "position": 0}]}


def segment(dimension: str, value: str, sent: int, lost: int, group: str = "true") -> dict[str, object]:
    counts = {"sent_subjects": sent, "landed_subjects": sent - lost, "sent_events": sent, "lost_events": lost}
    # Each subject sent one event.
    return {"dimension": dimension, "value": value, "group_name": group, **counts, "events_squared": sent}


def weight(what: str, subjects: int, events: int, squared: int) -> dict[str, object]:
    return {"what": what, "subjects": subjects, "events": events, "events_squared": squared}
