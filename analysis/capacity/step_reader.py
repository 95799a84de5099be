"""From what a generator wrote down to a step: only what was intended for the held window counts."""

from collections.abc import Sequence

from analysis.capacity.steps import Delays, NextStep, Step
from run_record.load_report.report import LoadReport, Percentiles, Window, merged, percentiles


def window_of(load: LoadReport, first: int, seconds: int) -> list[Window]:
    """Return the seconds of *load* from *first* on, *seconds* of them or as many as there are."""
    return [window for window in load.windows if first <= window.second < first + seconds]


def step_of(
    load: LoadReport,
    move: NextStep,
    settle_s: int,
    *,
    server_cpu: float | None = None,
    lost: int | None = None,
    verdict: str | None = None,
    run: str | None = None,
) -> Step:
    """Return what was seen in the window that was held after *settle_s* seconds.

    The seconds while connections are made and queues fill are left out, for they tell nothing of the rate.

    Args:
        load: of the whole run.
        move: what was asked for.
        settle_s: seconds at the beginning that are left out.
        server_cpu, lost, verdict, run: see `Step`.
    """
    windows = window_of(load, settle_s, int(move.seconds))
    service = merged(window.service for window in windows)
    return Step(
        move.purpose, move.rate, move.seconds,
        **_counts(windows),
        latency_ms=_delays(percentiles(merged(window.latency for window in windows))),
        service_ms=_delays(percentiles(service)),
        service_mean_ms=service.get_mean_value() / 1000 if service.total_count else 0.0,
        lag_ms=load.lag_ms.p99,
        errors=load.errors,
        generator_cpu=max((worker.cpu for worker in load.workers), default=None),
        server_cpu=server_cpu, lost=lost, verdict=verdict,
        invalid=load.invalid, workers_needed=load.workers_needed, pace=load.pace, run=run,
    )  # fmt: skip


def _counts(windows: Sequence[Window]) -> dict[str, int]:
    names = ("offered", "sent", "answered", "accepted", "failed", "dropped")
    return {name: sum(getattr(window, name) for window in windows) for name in names}


def _delays(found: Percentiles) -> Delays:
    return Delays(found.p50, found.p95, found.p99, found.max)
