"""Plans whose single events are paced, rather than the arrivals of visits."""

import json
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

from contracts.generation import Generation
from personas.pacing import Pace
from personas.plan.plan import Plan
from personas.plan.settings import PlanError, PlanSettings
from personas.rng import BLOCK
from tests.plans import EPOCH_MS, settings


def paced(events: int, rate: float = 5000.0, **changes: object) -> Plan:
    """Return a plan of exactly *events* events."""
    wanted = settings(Generation.ALPHA, events_per_second=rate, events=events, visitors=2**31 - 1, **changes)
    return Plan(replace(wanted, visitors=Plan(wanted).visitors_for_events()))


def test_the_planned_number_of_events_at_their_times() -> None:
    items = list(paced(9_000).events(0, 2**31))
    assert len(items) == len({event.id for event in items}) == 9_000
    assert sorted(event.offset_us for event in items) == [number * 200 for number in range(9_000)]
    for event in items[::500]:
        content = json.loads(event.body)
        when = np.datetime64(EPOCH_MS + event.offset_us // 1000, "ms")
        assert content["dt"] == f"{when}Z"


def test_neighbouring_events_belong_to_different_blocks() -> None:
    items = sorted(paced(9_000).events(0, 2**31), key=lambda event: event.offset_us)
    blocks = [event.visit // BLOCK for event in items]
    runs = [len(list(run)) for _, run in groupby(blocks)]
    # Only where all other blocks of a turn have run out does one go on by itself.
    assert sum(run for run in runs if run > 1) < 0.1 * len(blocks)
    assert len(set(blocks)) >= 7


def test_a_funnel_keeps_its_order() -> None:
    created = paced(4_000)
    for visit in range(created.settings.visitors):
        events = created.visit(visit)
        assert [event.position for event in events] == list(range(len(events)))
        assert [event.offset_us for event in events] == sorted(event.offset_us for event in events)


def test_events_do_not_depend_on_the_order_of_requests() -> None:
    one, other = paced(4_000, pace=Pace.POISSON), paced(4_000, pace=Pace.POISSON)
    last = one.settings.visitors - 1
    assert [one.visit(index) for index in (last - 300, 3)] == [other.visit(index) for index in (last - 300, 3)]
    everything = {event.id: event for event in other.events(0, 2**31)}
    assert all(everything[event.id] == event for event in one.visit(5))


def test_settings_survive_a_manifest() -> None:
    created = paced(100, pace=Pace.POISSON, shape="ramp:60s").settings
    assert PlanSettings.from_json(json.loads(json.dumps(created.to_json()))) == created


@pytest.mark.parametrize("changes", [{"events": 0}, {"events_per_second": 1e7}, {"events_per_second": -1.0}])
def test_invalid_pacing_is_one_clear_line(changes: dict[str, float]) -> None:
    with pytest.raises(PlanError, match="has to be between"):
        settings(Generation.ALPHA, **{"events_per_second": 10.0, "events": 10, **changes})
