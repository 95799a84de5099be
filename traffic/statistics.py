"""Locust's own statistics, fed from a sender's reports, so that its page, its tables and its files say the same."""

import time
from collections.abc import Mapping
from typing import Any

from hdrh.histogram import HdrHistogram
from locust.stats import RequestStats, StatsEntry, StatsError

from run_record.tally import Tally

_METHOD = "POST"


def feed(stats: RequestStats, label: str, report: Mapping[str, Any]) -> None:
    """Add what a sender reports to *stats*.

    Locust counts requests; a response time is the latency from the intended time, kept to three significant digits
    instead of Locust's two, so that its percentiles are those of `load.json`.

    Args:
        stats: Locust's.
        label: what a request is called.
        report: see `traffic.sender`.
    """
    tally = Tally.from_json(report["tally"])
    now = time.time()
    failed = sum(report["failures"].values())
    latency = tally.whole("latency")
    if tally.requests or failed:
        for entry in (stats.get(label, _METHOD), stats.total):
            entry.extend(_entry(stats, label, latency, tally.requests, failed, now))
    for reason, count in report["failures"].items():
        key = StatsError.create_key(_METHOD, label, reason)
        error = stats.errors.setdefault(key, StatsError(_METHOD, label, reason))
        error.occurrences += count


def _entry(
    stats: RequestStats, label: str, latency: HdrHistogram, requests: int, failed: int, now: float
) -> StatsEntry:
    entry = StatsEntry(stats, label, _METHOD)
    entry.num_requests, entry.num_failures = requests, failed
    # What nobody answered has no response time.
    entry.num_none_requests = requests - latency.total_count
    entry.last_request_timestamp = now
    entry.num_reqs_per_sec[int(now)] = requests
    entry.num_fail_per_sec[int(now)] = failed
    for item in latency.get_recorded_iterator():
        value = _milliseconds(item.value_iterated_to)
        entry.response_times[value] += item.count_at_value_iterated_to  # type: ignore[index]  # any number will do
        entry.total_response_time += value * item.count_at_value_iterated_to
    if latency.total_count:
        entry.min_response_time = _milliseconds(latency.get_min_value())  # type: ignore[assignment]
        entry.max_response_time = _milliseconds(latency.get_max_value())  # type: ignore[assignment]
    return entry


def _milliseconds(us: int) -> float:
    return round(us / 1000, 3)
