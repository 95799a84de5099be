"""The sender's process: commands come in on standard input, one JSON object a line; reports go out the same way.

In: `{"begin": {…}}` once, `{"lend": first visit or null}` for each `ask`, `{"places": visits at the same time}` where
they are limited, `{"stop": true}`.
Out: `{"ask": true}`, `{"report": {…}}` once a second, `{"rows": "…"}` where the ledger is kept elsewhere,
`{"error": "…"}`, and at the very end `{"over": "finished"}` or `{"over": "stopped"}`.
When standard input ends, its master is gone: it stops without waiting for answers.
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

#: Once told to stop, so long it waits for the answers that are due.
_LINGER_US = 4_000_000


class StreamedLedger:
    """Hands the ledger's rows to whoever keeps the run's folder."""

    def __init__(self, out: "SimpleQueue[Mapping[str, object] | None]") -> None:
        self._out = out
        self._requests = 0

    def reserve(self, count: int) -> int:
        """Return the first of *count* numbers."""
        first = self._requests
        self._requests += count
        return first

    def append(self, row: bytes) -> None:
        """Hand on rows."""
        self._out.put({"rows": row.decode()})


def main() -> None:
    """Play one run, as told by standard input."""
    # Signals may reach every process of a terminal or a service; the Locust worker tells when to stop.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    inbox: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
    out: SimpleQueue[Mapping[str, object] | None] = SimpleQueue()
    writer = threading.Thread(target=_write, args=(out,), daemon=True)
    writer.start()
    threading.Thread(target=_read, args=(inbox,), daemon=True).start()
    # Nothing here makes cycles, and a collection would hold up whatever is due.
    gc.freeze()
    gc.disable()
    first = inbox.get()
    if first is not None and "begin" in first:
        try:
            finished = _play(first["begin"], inbox, out)
            out.put({"over": FINISHED if finished else STOPPED})
        except DogfoodError as error:
            out.put({"error": str(error), "exit_code": error.exit_code})
    out.put(None)
    writer.join(5)


def _play(
    asked: Mapping[str, Any],
    inbox: "SimpleQueue[Mapping[str, Any] | None]",
    out: "SimpleQueue[Mapping[str, object] | None]",
) -> bool:
    """Play what is *asked* for; return whether all of it was played."""
    egress = Egress.from_json(asked["egress"])
    allow_only(egress.addresses)
    budget = TargetBudget.of_intake(egress.name, asked["intake"], _ceilings(asked["ceilings"]), asked["run"])
    limits = Limits(connections=_most_connections(asked["connections"]))
    endpoint = Endpoint.of(asked["intake"], egress)
    wire = ConnectionPool(endpoint, _clock, limits)
    frame = framing(endpoint, asked["headers"].items())
    plan = Plan(PlanSettings.from_json(asked["plan"]))
    places = _places(asked, plan)
    agenda = SendQueue(plan, asked["batch"], frame, places.register_worker if places is not None else None)
    tally = LoadCounters()
    ledger: Ledger = StreamedLedger(out)
    if asked["ledger"]:
        ledger = LedgerWriter(Path(asked["ledger"]), asked["worker"])
    zero_us = _clock() + asked["started_ms"] * 1000 - time.time_ns() // 1000
    engine = SendLoop(
        agenda, wire, ledger, tally,
        zero_us=zero_us, started_ms=asked["started_ms"],
        clock=_clock, request_timeout_us=limits.request_timeout_us,
        governor=budget.rate_limiter(asked["share"]), places=places,
    )  # fmt: skip
    reporter = _Reporter(out, engine, tally, places)
    waits_for_lease, stop_by = False, 0
    while not engine.is_over and not (stop_by and _clock() > stop_by):
        for message in _messages(inbox):
            if message is None:
                # Whoever was to be told is gone. What is under way stays without outcome, and is taken for that.
                wire.close()
                return False
            if "lend" in message:
                agenda.lend(message["lend"])
                waits_for_lease = False
            elif "places" in message and places is not None:
                places.limit = message["places"]
            elif "stop" in message:
                engine.stop()
                stop_by = _clock() + _LINGER_US
        engine.step()
        if not waits_for_lease and not stop_by and agenda.wants_more(engine.now_us()):
            waits_for_lease = True
            out.put({"ask": True})
        reporter.look()
    finished = engine.is_over and not stop_by
    engine.abandon()
    reporter.report()
    wire.close()
    return finished


def _messages(inbox: "SimpleQueue[Mapping[str, Any] | None]") -> Iterator[Mapping[str, Any] | None]:
    """Yield the messages that have come so far."""
    while True:
        try:
            yield inbox.get_nowait()
        except Empty:
            return


def _places(asked: Mapping[str, Any], plan: Plan) -> ConcurrencyLimit | None:
    """Return what limits the visits at the same time, None when they are not to be limited."""
    if asked["places"] is None:
        return None
    return ConcurrencyLimit(by_visit=asked["batch"] == 1 and not plan.settings.paces_events, limit=asked["places"])


def _ceilings(ceilings: Mapping[str, float | None]) -> Ceilings:
    """Return the target's ceilings; JSON has no infinity, so that one that is not set is null."""
    return Ceilings(**{name: value for name, value in ceilings.items() if value is not None})


class _Reporter:
    """Says once a second what was done, and what that cost."""

    def __init__(
        self,
        out: "SimpleQueue[Mapping[str, object] | None]",
        engine: SendLoop,
        tally: LoadCounters,
        places: ConcurrencyLimit | None,
    ) -> None:
        self._out = out
        self._places = places
        self._engine = engine
        self._tally = tally
        self._at_us, self._cpu_s = _clock(), time.process_time()

    def look(self) -> None:
        """Report when it is time to."""
        if _clock() - self._at_us >= _REPORT_US:
            self.report()

    def report(self) -> None:
        """Report now."""
        at_us, cpu_s = _clock(), time.process_time()
        share = (cpu_s - self._cpu_s) / max(at_us - self._at_us, 1) * 1e6
        self._at_us, self._cpu_s = at_us, cpu_s
        failures = dict(self._engine.failures)
        self._engine.failures.clear()
        waited = self._places.waited if self._places is not None else 0
        tally = self._tally.sum_up().to_json()
        self._out.put(
            {"report": {"tally": tally, "failures": failures, "cpu": share, "cpu_s": cpu_s, "waited": waited}}
        )


def _clock() -> int:
    return time.monotonic_ns() // 1000


def _most_connections(asked: int) -> int:
    """Return how many connections there may be: as asked for, if the system lets a process have so many files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = asked + 64
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), hard))
    return min(asked, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 64)


def _read(inbox: "SimpleQueue[Mapping[str, Any] | None]") -> None:
    # Unbuffered, for this thread may be waiting here when the process ends.
    held = b""
    while data := os.read(sys.stdin.fileno(), 65_536):
        *lines, held = (held + data).split(b"\n")
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
