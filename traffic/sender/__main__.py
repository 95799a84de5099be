"""The sender's process: commands on standard input, reports on standard output, each line one JSON object.

In: `{"begin": {…}}` first, `{"lend": first visit or null}` for each `ask`, `{"max_visits": concurrent visits}` where
they are limited, `{"stop": true}`.
Out: `{"ask": true}`, `{"report": {…}}` every second, `{"rows": "…"}` where the ledger is kept elsewhere,
`{"error": "…"}`, and last `{"over": "finished"}` or `{"over": "stopped"}`.
Standard input ends when the Locust worker has died: the sender then stops without waiting for answers.
"""

import gc
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import orjson

from common.egress import Egress
from common.errors import DogfoodError
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.ledger.files import LedgerWriter
from run_record.load_report.counters import LoadCounters
from run_record.target import Ceilings
from run_record.target_budget import TargetBudget
from traffic.egress_guard import allow_only
from traffic.sender import FINISHED, STOPPED
from traffic.sender.concurrency import ConcurrencyLimit
from traffic.sender.connection_pool import ConnectionPool, Limits
from traffic.sender.endpoint import Endpoint, framing
from traffic.sender.loop import Ledger, SendLoop
from traffic.sender.queue import SendQueue

_REPORT_US = 1_000_000

#: Maximum time after `stop` to wait for the answers to requests in flight.
_DRAIN_US = 4_000_000


class StreamedLedger:
    """Passes ledger rows on to the process that keeps the run's folder."""

    def __init__(self, out: "SimpleQueue[Mapping[str, object] | None]") -> None:
        self._out = out
        self._requests = 0

    def reserve(self, count: int) -> int:
        """Return the first of *count* numbers."""
        first = self._requests
        self._requests += count
        return first

    def append(self, row: bytes) -> None:
        """Pass *row* on."""
        self._out.put({"rows": row.decode()})


def main() -> None:
    """Run the sender for one run, controlled by standard input."""
    # Signals may reach every process of a terminal or a service; only the Locust worker stops the sender.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    inbox: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
    out: SimpleQueue[Mapping[str, object] | None] = SimpleQueue()
    writer = threading.Thread(target=_write, args=(out,), daemon=True)
    writer.start()
    threading.Thread(target=_read, args=(inbox,), daemon=True).start()
    # The sender creates no reference cycles, and a collection would delay due requests.
    gc.freeze()
    gc.disable()
    first = inbox.get()
    if first is not None and "begin" in first:
        try:
            finished = _run(first["begin"], inbox, out)
            out.put({"over": FINISHED if finished else STOPPED})
        except DogfoodError as error:
            out.put({"error": str(error), "exit_code": error.exit_code})
    out.put(None)
    writer.join(5)


def _run(
    config: Mapping[str, Any],
    inbox: "SimpleQueue[Mapping[str, Any] | None]",
    out: "SimpleQueue[Mapping[str, object] | None]",
) -> bool:
    """Send the run that *config* describes; return whether it was sent completely."""
    egress = Egress.from_json(config["egress"])
    allow_only(egress.addresses)
    budget = TargetBudget.of_intake(egress.name, config["intake"], _ceilings(config["ceilings"]), config["run"])
    limits = Limits(connections=_connection_limit(config["connections"]))
    endpoint = Endpoint.of(config["intake"], egress)
    pool = ConnectionPool(endpoint, _clock, limits)
    frame = framing(endpoint, config["headers"].items())
    plan = Plan(PlanSettings.from_json(config["plan"]))
    concurrency = _concurrency_limit(config, plan)
    queue = SendQueue(plan, config["batch"], frame, concurrency.register_visits if concurrency is not None else None)
    counters = LoadCounters()
    ledger: Ledger = StreamedLedger(out)
    if config["ledger"]:
        ledger = LedgerWriter(Path(config["ledger"]), config["worker"])
    zero_us = _clock() + config["started_ms"] * 1000 - time.time_ns() // 1000
    loop = SendLoop(
        queue, pool, ledger, counters,
        zero_us=zero_us, started_ms=config["started_ms"],
        clock=_clock, request_timeout_us=limits.request_timeout_us,
        rate_limiter=budget.rate_limiter(config["share"]), concurrency=concurrency,
    )  # fmt: skip
    reporter = _Reporter(out, loop, counters, concurrency)
    waits_for_lease, drain_until_us = False, 0
    while not loop.is_over and not (drain_until_us and _clock() > drain_until_us):
        for message in _messages(inbox):
            if message is None:
                # The Locust worker has died. Requests in flight stay without outcome: they are indeterminate.
                pool.close()
                return False
            if "lend" in message:
                queue.add_lease(message["lend"])
                waits_for_lease = False
            elif "max_visits" in message and concurrency is not None:
                concurrency.limit = message["max_visits"]
            elif "stop" in message:
                loop.stop()
                drain_until_us = _clock() + _DRAIN_US
        loop.step()
        if not waits_for_lease and not drain_until_us and queue.wants_more(loop.now_us()):
            waits_for_lease = True
            out.put({"ask": True})
        reporter.report_when_due()
    finished = loop.is_over and not drain_until_us
    loop.abandon()
    reporter.report()
    pool.close()
    return finished


def _messages(inbox: "SimpleQueue[Mapping[str, Any] | None]") -> Iterator[Mapping[str, Any] | None]:
    """Yield the messages received so far."""
    while True:
        try:
            yield inbox.get_nowait()
        except Empty:
            return


def _concurrency_limit(config: Mapping[str, Any], plan: Plan) -> ConcurrencyLimit | None:
    """Return the limit on concurrent visits; None for no limit."""
    if config["max_visits"] is None:
        return None
    return ConcurrencyLimit(
        by_visit=config["batch"] == 1 and not plan.settings.paces_events, limit=config["max_visits"]
    )


def _ceilings(ceilings: Mapping[str, float | None]) -> Ceilings:
    """Return the target's ceilings; null stands for a ceiling that is not set, as JSON has no infinity."""
    return Ceilings(**{name: value for name, value in ceilings.items() if value is not None})


class _Reporter:
    """Reports counts and CPU time every second."""

    def __init__(
        self,
        out: "SimpleQueue[Mapping[str, object] | None]",
        loop: SendLoop,
        counters: LoadCounters,
        concurrency: ConcurrencyLimit | None,
    ) -> None:
        self._out = out
        self._concurrency = concurrency
        self._loop = loop
        self._counters = counters
        self._at_us, self._cpu_s = _clock(), time.process_time()

    def report_when_due(self) -> None:
        """Report if a second has passed since the last report."""
        if _clock() - self._at_us >= _REPORT_US:
            self.report()

    def report(self) -> None:
        """Report now."""
        at_us, cpu_s = _clock(), time.process_time()
        share = (cpu_s - self._cpu_s) / max(at_us - self._at_us, 1) * 1e6
        self._at_us, self._cpu_s = at_us, cpu_s
        failures = dict(self._loop.failures)
        self._loop.failures.clear()
        waited = self._concurrency.waited if self._concurrency is not None else 0
        counters = self._counters.sum_up().to_json()
        self._out.put(
            {"report": {"tally": counters, "failures": failures, "cpu": share, "cpu_s": cpu_s, "waited": waited}}
        )


def _clock() -> int:
    return time.monotonic_ns() // 1000


def _connection_limit(requested: int) -> int:
    """Return the maximum number of connections: *requested*, or less if the process may open fewer files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = requested + 64
    soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), hard))
    return min(requested, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 64)


def _read(inbox: "SimpleQueue[Mapping[str, Any] | None]") -> None:
    # Unbuffered: this thread may be blocked here when the process ends.
    partial = b""
    while data := os.read(sys.stdin.fileno(), 65_536):
        *lines, partial = (partial + data).split(b"\n")
        for line in lines:
            inbox.put(orjson.loads(line))
    inbox.put(None)


def _write(out: "SimpleQueue[Mapping[str, object] | None]") -> None:
    try:
        while (message := out.get()) is not None:
            sys.stdout.buffer.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
