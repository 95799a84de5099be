"""The send queue: every event of leased blocks once, in order, never early, for any course of the clock."""

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

Sent = list[tuple[int, list[tuple[int, int]], bytes]]


def play(run_plan: Plan, batch_size: int, steps_us: Sequence[int], limit: int) -> Sent:
    """Run the queue with a clock of repeated *steps_us*; return (intended time, events, bytes) per request."""
    queue = SendQueue(run_plan, batch_size, bytes)
    leased, now, sent, step = 0, -LEAD_US, [], 0
    while not queue.is_over:
        if queue.wants_more(now):
            queue.add_lease(leased * BLOCK if leased < BLOCKS else None)
            leased += 1
        queue.prepare(now)
        while (due := queue.take(now, limit)) is not None:
            batch, begin, end, _ = due
            assert 0 < end - begin <= limit
            for position in range(begin, end):
                assert batch.intended_us[position] <= now
                part = slice(position * batch.size, (position + 1) * batch.size)
                positions = list(zip(batch.visits[part], batch.positions[part], strict=True))
                sent.append((batch.intended_us[position], positions, batch.requests[position]))
        now += steps_us[step % len(steps_us)]
        step += 1
        assert now < 1 << 50
    return sent


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([PACED, VISITS]),
    st.sampled_from([1, 7, 50]),
    st.lists(st.sampled_from([200, 30_000, 2_000_000, 60_000_000]), min_size=1, max_size=4).filter(
        lambda steps: max(steps) > 200
    ),
    st.sampled_from([1, 32]),
)
def test_every_event_is_returned_once_in_order(
    run_plan: Plan, batch_size: int, steps_us: list[int], limit: int
) -> None:
    sent = play(run_plan, batch_size, steps_us, limit)
    planned = {(event.visit, event.position): event for event in run_plan.events(0, run_plan.settings.visitors)}
    positions = [position for _, events, _ in sent for position in events]
    assert len(positions) == len(planned)
    assert set(positions) == set(planned)
    assert [len(events) for _, events, _ in sent[:-1]] == [batch_size] * (len(sent) - 1)
    for intended_us, events, request in sent:
        # A request is due when its last event has happened.
        assert intended_us == max(planned[position].offset_us for position in events)
        bodies = [planned[position].body for position in events]
        assert request == (bodies[0] if batch_size == 1 else request)
        if batch_size > 1 and len(events) > 1:
            assert json.loads(request) == [json.loads(body) for body in bodies]
    times = [planned[position].offset_us for position in positions]
    # Late events of a block that was leased late come after those of earlier blocks.
    if max(steps_us) < LEAD_US:
        assert times == sorted(times)


def test_blocks_are_leased_a_limited_time_ahead() -> None:
    queue = SendQueue(PACED, 1, bytes)
    leased = 0
    while queue.wants_more(-10 * LEAD_US):
        queue.add_lease(leased * BLOCK)
        leased += 1
        while queue.prepare(-10 * LEAD_US):
            pass
    assert leased == 1
    assert queue.take(-1, 32) is None
    assert queue.next_us() is None or queue.next_us() == 0


@pytest.mark.parametrize("offset", [0, 3])
def test_next_us_of_a_later_request(offset: int) -> None:
    queue = SendQueue(PACED, 1, bytes)
    queue.add_lease(0)
    queue.add_lease(None)
    while queue.prepare(0):
        pass
    due = sorted(event.offset_us for event in PACED.events(0, BLOCK))
    assert queue.next_us(offset) == due[offset]
