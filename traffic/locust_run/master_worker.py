"""The channel between a run's master and its workers, over Locust's messages."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import gevent
import psutil
from gevent.event import AsyncResult
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from traffic.locust_run.leases import Leaser
from traffic.locust_run.worker_messages import ASK, DONE, END, GIVE, ROWS, STOPPED, MalformedMessageError

Handler = Callable[[str, Mapping[str, Any]], None]

_log = logging.getLogger("dogfood")

_POLL_S = 0.05


class _Message(Protocol):
    """A message between Locust's master and worker."""

    data: Any
    node_id: str


class MasterChannel:
    """The master's end: leases ranges to workers and detects when all are done.

    Args:
        environment: Locust's environment.
        all_done: called when every connected worker has finished its leases.
        rows: handles ledger rows of a worker without access to the run's folder.
        report: handles the final report of a worker that is done or was stopped.
    """

    def __init__(self, environment: Environment, all_done: Callable[[], None], rows: Handler, report: Handler) -> None:
        self._runner = environment.runner if isinstance(environment.runner, MasterRunner) else None
        self._all_done = all_done
        self._rows_handler, self._report_handler = rows, report
        self._leaser = Leaser(0)
        self._done: set[str] = set()
        self._stopped: set[str] = set()
        self._children_ended = False
        if self._runner is not None:
            self._runner.register_message(ASK, self._send_lease)
            self._runner.register_message(DONE, self._worker_done)
            self._runner.register_message(STOPPED, self._worker_stopped)
            self._runner.register_message(ROWS, self._worker_rows)

    def open(self, leaser: Leaser) -> None:
        """Start leasing a new run's ranges."""
        self._leaser = leaser
        self._done.clear()
        self._stopped.clear()

    @property
    def ended(self) -> frozenset[str]:
        """The workers that have sent a final report."""
        return frozenset(self._done | self._stopped)

    @property
    def connected(self) -> frozenset[str]:
        """The workers with heartbeats; none after all forked workers have ended."""
        if self._runner is None or self._children_ended:
            return frozenset()
        return frozenset(client.id for client in self._runner.clients.values() if client.state != STATE_MISSING)

    @property
    def machines(self) -> int:
        """Number of machines with workers; a worker's id begins with its machine's name."""
        clients = self._runner.clients if self._runner is not None else ()
        return len({client.rpartition("_")[0] for client in clients}) or 1

    def check_children(self) -> None:
        """Check whether all workers were forked by this process (`--processes`) and have ended."""
        options = self._runner.environment.parsed_options if self._runner is not None else None
        if options is not None and options.processes:
            self._children_ended = not any(map(_is_running, psutil.Process().children()))

    def index_of(self, client_id: str) -> int:
        """Return a worker's index. Raises MalformedMessageError for a client that never connected."""
        index: int | None = self._runner.worker_indexes.get(client_id) if self._runner is not None else None
        if index is None:
            raise MalformedMessageError(f"a message of {client_id!r}, which is not a worker of this run")
        return index

    def end(self, timeout_s: float) -> None:
        """Stop all workers; wait for their final reports, at most *timeout_s*."""
        if self._runner is None:
            return
        pending = self.connected - self.ended
        for client_id in pending:
            self._runner.send_message(END, None, client_id=client_id)
        deadline = time.monotonic() + timeout_s
        # A slow worker may count as missing and still report; a worker that has quit does not.
        while pending & self._runner.clients.keys() - self.ended and time.monotonic() < deadline:
            gevent.sleep(_POLL_S)

    def _send_lease(self, msg: _Message, **_: object) -> None:
        if self._runner is not None and self._is_known(msg):
            lease = self._leaser.lend(msg.node_id, self.connected)
            self._runner.send_message(GIVE, {"lease": lease}, client_id=msg.node_id)

    def _worker_rows(self, msg: _Message, **_: object) -> None:
        self._dispatch(self._rows_handler, msg)

    def _worker_done(self, msg: _Message, **_: object) -> None:
        if self._dispatch(self._report_handler, msg):
            self._done.add(msg.node_id)
            self.check()

    def _worker_stopped(self, msg: _Message, **_: object) -> None:
        if self._dispatch(self._report_handler, msg):
            self._stopped.add(msg.node_id)

    def _is_known(self, msg: _Message) -> bool:
        return self._dispatch(lambda *_: None, msg)

    def _dispatch(self, handler: Handler, msg: _Message) -> bool:
        """Pass a worker's message to *handler*; return whether it was well-formed."""
        try:
            self.index_of(msg.node_id)
            handler(msg.node_id, msg.data or {})
        except MalformedMessageError as error:
            _log.error("refused: %s", error)
            return False
        return True

    def check(self) -> None:
        """Check whether all workers that are still connected are done; one may have died since."""
        if self._runner is None:
            return
        connected = {client.id for client in self._runner.clients.running + self._runner.clients.spawning}
        if self._done and connected <= self._done:
            self._all_done()


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class WorkerChannel:
    """The worker's end: asks the master for leases and reports to it.

    Args:
        runner: the worker's runner.
        end: called when the master ends the run.
    """

    def __init__(self, runner: WorkerRunner, end: Callable[[], None]) -> None:
        self._runner = runner
        self._end = end
        self._lease: AsyncResult | None = None
        runner.register_message(GIVE, self._on_lease)
        runner.register_message(END, self._on_end, concurrent=True)

    def __call__(self) -> tuple[int, int] | None:
        """Return the next lease (first, count) from the master; None without any left."""
        self._lease = AsyncResult()
        self._runner.send_message(ASK, None)
        lease: tuple[int, int] | None = self._lease.get()
        return lease

    def cancel_lease(self) -> None:
        """End a pending request for a lease without one: the run is over."""
        if self._lease is not None:
            self._lease.set(None)

    def report_done(self, report: dict[str, Any]) -> None:
        """Send the final report of a worker that has finished its leases."""
        self._runner.send_message(DONE, report)

    def report_stopped(self, report: dict[str, Any]) -> None:
        """Send the final report of a worker that was stopped."""
        self._runner.send_message(STOPPED, report)

    def send_rows(self, worker: str, rows: str) -> None:
        """Send ledger rows of *worker* to the master, which keeps the run's folder."""
        self._runner.send_message(ROWS, {"worker": worker, "rows": rows})

    def _on_lease(self, msg: _Message, **_: object) -> None:
        if self._lease is not None and isinstance(msg.data, dict):
            lease = msg.data["lease"]
            self._lease.set(tuple(lease) if lease else None)

    def _on_end(self, **_: object) -> None:
        self._end()
