"""The agenda: every event of the lent blocks once, in order, never before its time, whatever the clock does."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personas.plan.plan import Plan
from personas.rng import BLOCK
from tests.plans import plan
from traffic.sender.queue import LEAD_US, SendQueue

PACED = plan(visitors=3 * BLOCK, events_per_second=2000.0, events=1700)
VISITS = plan(visitors=3 * BLOCK, arrivals_per_second=200.0)
BLOCKS = 3

Taken = list[tuple[int, list[tuple[int, int]], bytes]]


def play(made: Plan, batch: int, steps_us: Sequence[int], most: int) -> Taken:
    """Play the plan with a clock that makes these steps, over and over; return (intended, events, bytes) a request."""
    agenda = SendQueue(made, batch, bytes)
    lent, now, taken, step = 0, -LEAD_US, [], 0
    while not agenda.is_over:
        if agenda.wants_more(now):
            agenda.lend(lent * BLOCK if lent < BLOCKS else None)
            lent += 1
        agenda.prepare(now)
        while (due := agenda.take(now, most)) is not None:
            stretch, begin, end, _ = due
            assert 0 < end - begin <= most
            for position in range(begin, end):
                assert stretch.intended_us[position] <= now
                own = slice(position * stretch.size, (position + 1) * stretch.size)
                events = list(zip(stretch.visits[own], stretch.positions[own], strict=True))
                taken.append((stretch.intended_us[position], events, stretch.requests[position]))
        now += steps_us[step % len(steps_us)]
        step += 1
        assert now < 1 << 50
    return taken


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([PACED, VISITS]),
    st.sampled_from([1, 7, 50]),
    st.lists(st.sampled_from([200, 30_000, 2_000_000, 60_000_000]), min_size=1, max_size=4).filter(
        lambda steps: max(steps) > 200
    ),
    st.sampled_from([1, 32]),
)
def test_every_event_is_given_out_once_in_the_order_of_its_time(
    made: Plan, batch: int, steps_us: list[int], most: int
) -> None:
    taken = play(made, batch, steps_us, most)
    planned = {(event.visit, event.position): event for event in made.events(0, made.settings.visitors)}
    events = [position for _, places, _ in taken for position in places]
    assert len(events) == len(planned)
    assert set(events) == set(planned)
    assert [len(places) for _, places, _ in taken[:-1]] == [batch] * (len(taken) - 1)
    for intended_us, places, request in taken:
        # A batch goes when its last event has happened.
        assert intended_us == max(planned[position].offset_us for position in places)
        bodies = [planned[position].body for position in places]
        assert request == (bodies[0] if batch == 1 else request)
        if batch > 1 and len(places) > 1:
            assert json.loads(request) == [json.loads(body) for body in bodies]
    times = [planned[position].offset_us for position in events]
    # Late ones of a block that was lent late come after those of the blocks before it.
    if max(steps_us) < LEAD_US:
        assert times == sorted(times)


def test_blocks_are_asked_for_some_time_ahead_and_no_further() -> None:
    agenda = SendQueue(PACED, 1, bytes)
    lent = 0
    while agenda.wants_more(-10 * LEAD_US):
        agenda.lend(lent * BLOCK)
        lent += 1
        while agenda.prepare(-10 * LEAD_US):
            pass
    assert lent == 1
    assert agenda.take(-1, 32) is None
    assert agenda.next_us() is None or agenda.next_us() == 0


@pytest.mark.parametrize("further", [0, 3])
def test_it_tells_when_the_next_ones_are_due(further: int) -> None:
    agenda = SendQueue(PACED, 1, bytes)
    agenda.lend(0)
    agenda.lend(None)
    while agenda.prepare(0):
        pass
    due = sorted(event.offset_us for event in PACED.events(0, BLOCK))
    assert agenda.next_us(further) == due[further]
