"""Locust's statistics from a sender's reports, so that its page, tables and files agree with the run's."""

import time
from collections.abc import Mapping

from locust.stats import RequestStats, StatsEntry, StatsError

from run_record.load_report.counters import Delays, LoadCounts

_METHOD = "POST"


def feed(stats: RequestStats, label: str, counts: LoadCounts, failures: Mapping[str, int]) -> None:
    """Add a sender's report to *stats*.

    Locust counts requests. A response time is the latency from the intended time, with three significant digits instead
    of Locust's two, so that its percentiles equal those of `load.json`.

    Args:
        stats: Locust's statistics.
        label: name of a request.
        counts: the sender's counts.
        failures: number of failed requests by reason.
    """
    now = time.time()
    failed = sum(failures.values())
    latency = counts.delays("latency")
    if counts.requests or failed:
        for entry in (stats.get(label, _METHOD), stats.total):
            entry.extend(_entry(stats, label, latency, counts.requests, failed, now))
    for reason, count in failures.items():
        key = StatsError.create_key(_METHOD, label, reason)
        error = stats.errors.setdefault(key, StatsError(_METHOD, label, reason))
        error.occurrences += count


def _entry(stats: RequestStats, label: str, latency: Delays, requests: int, failed: int, now: float) -> StatsEntry:
    entry = StatsEntry(stats, label, _METHOD)
    entry.num_requests, entry.num_failures = requests, failed
    # Requests without an answer have no response time.
    entry.num_none_requests = requests - latency.total()
    entry.last_request_timestamp = now
    entry.num_reqs_per_sec[int(now)] = requests
    entry.num_fail_per_sec[int(now)] = failed
    for delay_us, count in latency.items():
        value = _milliseconds(delay_us)
        entry.response_times[value] += count  # type: ignore[index]  # any number will do
        entry.total_response_time += value * count  # type: ignore[assignment]  # any number will do
    if latency:
        entry.min_response_time = _milliseconds(min(latency))  # type: ignore[assignment]
        entry.max_response_time = _milliseconds(max(latency))  # type: ignore[assignment]
    return entry


def _milliseconds(us: int) -> float:
    return round(us / 1000, 3)
