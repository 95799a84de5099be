"""What a run's workers and its master say to each other, over Locust's own messages."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gevent.event import AsyncResult
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from traffic.leases import Leaser

_ASK, _GIVE, _ROWS = "dogfood-lease-ask", "dogfood-lease-give", "dogfood-ledger-rows"
_DONE, _STOPPED = "dogfood-worker-done", "dogfood-worker-stopped"

Take = Callable[[str, Mapping[str, Any]], None]


class _Message(Protocol):
    """A message between Locust's master and worker."""

    data: Any
    node_id: str


class MasterDesk:
    """The master's side: answers the workers, and knows when all of them are done.

    Args:
        environment: Locust's, with a master runner.
        all_done: called once every connected worker has played all it was lent.
        rows: takes ledger rows of a worker that does not see the run's folder.
        report: takes what a worker that is done has to tell.
    """

    def __init__(self, environment: Environment, all_done: Callable[[], None], rows: Take, report: Take) -> None:
        self._runner = environment.runner if isinstance(environment.runner, MasterRunner) else None
        self._all_done = all_done
        self._rows, self._report = rows, report
        self._leaser = Leaser(0)
        self._done: set[str] = set()
        self._stopped: set[str] = set()
        if self._runner is not None:
            self._runner.register_message(_ASK, self._give)
            self._runner.register_message(_DONE, self._worker_done)
            self._runner.register_message(_STOPPED, self._worker_stopped)
            self._runner.register_message(_ROWS, self._take_rows)

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
        """The workers that can be heard."""
        if self._runner is None:
            return frozenset()
        return frozenset(client.id for client in self._runner.clients.values() if client.state != STATE_MISSING)

    def _give(self, msg: _Message, **_: object) -> None:
        if self._runner is not None:
            lease = self._leaser.lend(msg.node_id, self.there)
            self._runner.send_message(_GIVE, {"lease": lease}, client_id=msg.node_id)

    def _take_rows(self, msg: _Message, **_: object) -> None:
        self._rows(msg.node_id, msg.data)

    def _worker_done(self, msg: _Message, **_: object) -> None:
        self._report(msg.node_id, msg.data or {})
        self._done.add(msg.node_id)
        self.check()

    def _worker_stopped(self, msg: _Message, **_: object) -> None:
        self._report(msg.node_id, msg.data or {})
        self._stopped.add(msg.node_id)

    def check(self) -> None:
        """See whether the workers that are still there are all done (one may have died since)."""
        if self._runner is None:
            return
        there = {client.id for client in self._runner.clients.running + self._runner.clients.spawning}
        if self._done and there <= self._done:
            self._all_done()


class WorkerDesk:
    """The worker's side: asks the master and waits for its answer."""

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner
        self._answer: AsyncResult | None = None
        runner.register_message(_GIVE, self._given)

    def __call__(self) -> tuple[int, int] | None:
        """Return the next (first, count) from the master, or None when there are no more."""
        self._answer = AsyncResult()
        self._runner.send_message(_ASK, None)
        first_count: tuple[int, int] | None = self._answer.get()
        return first_count

    def done(self, report: dict[str, Any]) -> None:
        """Tell the master that everything lent to this worker was played, and how."""
        self._runner.send_message(_DONE, report)

    def stopped(self, report: dict[str, Any]) -> None:
        """Tell the master that this worker was stopped before it was done, and what it did until then."""
        self._runner.send_message(_STOPPED, report)

    def rows(self, worker: str, rows: str) -> None:
        """Hand ledger rows of *worker* to the master, which keeps the run's folder."""
        self._runner.send_message(_ROWS, {"worker": worker, "rows": rows})

    def _given(self, msg: _Message, **_: object) -> None:
        if self._answer is not None and isinstance(msg.data, dict):
            lease = msg.data["lease"]
            self._answer.set(tuple(lease) if lease else None)
