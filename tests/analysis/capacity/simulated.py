"""Steps as a server of known limits would give them, without a server."""

from dataclasses import replace

from analysis.capacity.objectives import Objective, with_defaults
from analysis.capacity.search import SearchSettings, next_step
from analysis.capacity.steps import Delays, Judged, NextStep, Step, judge

OBJECTIVES = with_defaults([])


def step(move: NextStep, *, limit: float, generator: float = float("inf"), lost: int | None = 0) -> Step:
    """Return what a queue in front of a server of *limit* events a second does at constant arrivals.

    Up to the limit every event is served without a queue, within 5 ms; above it each waits longer than the last.
    """
    offered = round(move.rate * move.seconds)
    over = max(0.0, 1 - limit / move.rate)
    longest = over * move.seconds * 1000
    service = min(5.0, 1000 / limit)
    invalid = (f"the schedule was {move.rate / generator:.2f} times what it can keep",) if move.rate > generator else ()
    delays = Delays(*(service + share * longest for share in (0.5, 0.95, 0.99, 1.0)))
    return Step(
        move.purpose, move.rate, move.seconds, offered, offered, offered, offered, failed=0, dropped=0,
        latency_ms=delays, service_ms=delays, service_mean_ms=service + longest / 2, lag_ms=0.5, lost=lost,
        generator_cpu=0.2, server_cpu=0.5, invalid=invalid, workers_needed=2 if invalid else None,
    )  # fmt: skip


def search(settings: SearchSettings, objectives: tuple[Objective, ...] = OBJECTIVES, **server: float) -> list[Judged]:
    """Return the steps of a whole search."""
    steps: list[Judged] = []
    while (move := next_step(settings, steps)) is not None:
        steps.append(judge(step(move, **server), objectives))  # type: ignore[arg-type]
    return steps


def with_breach(held: Judged) -> Judged:
    """Return the step with a latency that breaks."""
    slow = replace(held.step, latency_ms=Delays(900, 900, 900, 900))
    return judge(slow, OBJECTIVES)
