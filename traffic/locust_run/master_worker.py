"""What a run's workers and its master say to each other, over Locust's own messages."""

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

Take = Callable[[str, Mapping[str, Any]], None]

_log = logging.getLogger("dogfood")

_POLL_S = 0.05


class _Message(Protocol):
    """A message between Locust's master and worker."""

    data: Any
    node_id: str


class MasterChannel:
    """The master's side: answers the workers, and knows when all of them are done.

    Args:
        environment: Locust's, with a master runner.
        all_done: called once every connected worker has played all it was lent.
        rows: takes ledger rows of a worker that does not see the run's folder.
        report: takes what a worker that is done, or was stopped, has to tell.
    """

    def __init__(self, environment: Environment, all_done: Callable[[], None], rows: Take, report: Take) -> None:
        self._runner = environment.runner if isinstance(environment.runner, MasterRunner) else None
        self._all_done = all_done
        self._rows, self._report = rows, report
        self._leaser = Leaser(0)
        self._done: set[str] = set()
        self._stopped: set[str] = set()
        self._all_gone = False
        if self._runner is not None:
            for kind, take in (
                (ASK, self._give), (DONE, self._worker_done), (STOPPED, self._worker_stopped), (ROWS, self._take_rows)
            ):  # fmt: skip
                self._runner.register_message(kind, take)

    def open(self, leaser: Leaser) -> None:
        """Begin to lend what there is to play in a new run."""
        self._leaser = leaser
        self._done.clear()
        self._stopped.clear()

    @property
    def ended(self) -> frozenset[str]:
        """The workers that said that they were done, or that they were stopped."""
        return frozenset(self._done | self._stopped)

    @property
    def there(self) -> frozenset[str]:
        """The workers that can be heard; none when they were this process' children, and all of these have ended."""
        if self._runner is None or self._all_gone:
            return frozenset()
        return frozenset(client.id for client in self._runner.clients.values() if client.state != STATE_MISSING)

    @property
    def machines(self) -> int:
        """The number of machines that have workers; a worker's id begins with its machine's name."""
        clients = self._runner.clients if self._runner is not None else ()
        return len({client.rpartition("_")[0] for client in clients}) or 1

    def look_after_children(self) -> None:
        """See whether all workers were forked by this process (`--processes`), and none of them runs any more."""
        options = self._runner.environment.parsed_options if self._runner is not None else None
        if options is not None and options.processes:
            self._all_gone = not any(map(_is_running, psutil.Process().children()))

    def index_of(self, client_id: str) -> int:
        """Return the number that the master gave a worker. Raises MalformedMessageError when it never connected."""
        index: int | None = self._runner.worker_indexes.get(client_id) if self._runner is not None else None
        if index is None:
            raise MalformedMessageError(f"a message of {client_id!r}, which is not a worker of this run")
        return index

    def end(self, within_s: float) -> None:
        """Tell every worker to stop, and wait until each has told everything, at most *within_s*."""
        if self._runner is None:
            return
        asked = self.there - self.ended
        for client_id in asked:
            self._runner.send_message(END, None, client_id=client_id)
        deadline = time.monotonic() + within_s
        # One that is slow may count as missing meanwhile, and answers all the same; one that has quit does not.
        while asked & self._runner.clients.keys() - self.ended and time.monotonic() < deadline:
            gevent.sleep(_POLL_S)

    def _give(self, msg: _Message, **_: object) -> None:
        if self._runner is not None and self._knows(msg):
            lease = self._leaser.lend(msg.node_id, self.there)
            self._runner.send_message(GIVE, {"lease": lease}, client_id=msg.node_id)

    def _take_rows(self, msg: _Message, **_: object) -> None:
        self._take(self._rows, msg)

    def _worker_done(self, msg: _Message, **_: object) -> None:
        if self._take(self._report, msg):
            self._done.add(msg.node_id)
            self.check()

    def _worker_stopped(self, msg: _Message, **_: object) -> None:
        if self._take(self._report, msg):
            self._stopped.add(msg.node_id)

    def _knows(self, msg: _Message) -> bool:
        return self._take(lambda *_: None, msg)

    def _take(self, take: Take, msg: _Message) -> bool:
        """Hand a message of a worker on; return whether it was well-formed."""
        try:
            self.index_of(msg.node_id)
            take(msg.node_id, msg.data or {})
        except MalformedMessageError as error:
            _log.error("refused: %s", error)
            return False
        return True

    def check(self) -> None:
        """See whether the workers that are still there are all done (one may have died since)."""
        if self._runner is None:
            return
        there = {client.id for client in self._runner.clients.running + self._runner.clients.spawning}
        if self._done and there <= self._done:
            self._all_done()


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class WorkerChannel:
    """The worker's side: asks the master and waits for its answer.

    Args:
        runner: Locust's, of a worker.
        end: called when the master ends the run.
    """

    def __init__(self, runner: WorkerRunner, end: Callable[[], None]) -> None:
        self._runner = runner
        self._end = end
        self._answer: AsyncResult | None = None
        runner.register_message(GIVE, self._given)
        runner.register_message(END, self._ended, concurrent=True)

    def __call__(self) -> tuple[int, int] | None:
        """Return the next (first, count) from the master, or None when there are no more."""
        self._answer = AsyncResult()
        self._runner.send_message(ASK, None)
        first_count: tuple[int, int] | None = self._answer.get()
        return first_count

    def give_up(self) -> None:
        """Let who waits for an answer go on without one: the run is over."""
        if self._answer is not None:
            self._answer.set(None)

    def done(self, report: dict[str, Any]) -> None:
        """Tell the master that everything lent to this worker was played, and how."""
        self._runner.send_message(DONE, report)

    def stopped(self, report: dict[str, Any]) -> None:
        """Tell the master that this worker was stopped before it was done, and what it did until then."""
        self._runner.send_message(STOPPED, report)

    def rows(self, worker: str, rows: str) -> None:
        """Hand ledger rows of *worker* to the master, which keeps the run's folder."""
        self._runner.send_message(ROWS, {"worker": worker, "rows": rows})

    def _given(self, msg: _Message, **_: object) -> None:
        if self._answer is not None and isinstance(msg.data, dict):
            lease = msg.data["lease"]
            self._answer.set(tuple(lease) if lease else None)

    def _ended(self, **_: object) -> None:
        self._end()
