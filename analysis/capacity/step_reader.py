"""Reader of a step from the generator's report: only events due in the held window count."""

from collections.abc import Sequence

from analysis.capacity.steps import Delays, NextStep, Step
from run_record.load_report.report import LoadReport, Percentiles, Window, merged, percentiles


def window_of(load: LoadReport, first: int, seconds: int) -> list[Window]:
    """Return the seconds of *load* from *first* on, *seconds* of them at most."""
    return [window for window in load.windows if first <= window.second < first + seconds]


def step_of(
    load: LoadReport,
    request: NextStep,
    warm_up_s: int,
    *,
    server_cpu: float | None = None,
    lost: int | None = None,
    verdict: str | None = None,
    run: str | None = None,
) -> Step:
    """Return the measurements of the window that was held after *warm_up_s* seconds.

    The warm-up, while connections open and queues fill, says nothing about the rate.

    Args:
        load: report of the whole run.
        request: purpose, rate and held seconds that were requested.
        warm_up_s: seconds at the beginning that are left out.
        server_cpu, lost, verdict, run: see `Step`.
    """
    windows = window_of(load, warm_up_s, int(request.seconds))
    service = merged(window.service for window in windows)
    return Step(
        request.purpose, request.rate, request.seconds,
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


def _delays(values: Percentiles) -> Delays:
    return Delays(values.p50, values.p95, values.p99, values.max)
