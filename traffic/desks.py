"""Lending visits over Locust's own messages: the master's desk, and the workers'."""

from collections.abc import Callable
from typing import Protocol

from gevent.event import AsyncResult
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from traffic.leases import Leaser

_ASK, _GIVE, _DONE = "dogfood-lease-ask", "dogfood-lease-give", "dogfood-worker-done"


class _Message(Protocol):
    """A message between Locust's master and worker."""

    data: object
    node_id: str


class MasterDesk:
    """The master's side: answers the workers, and knows when all of them are done.

    Args:
        environment: Locust's, with a master runner.
        all_done: called once every connected worker has played all it was lent.
    """

    def __init__(self, environment: Environment, all_done: Callable[[], None]) -> None:
        self._runner = environment.runner if isinstance(environment.runner, MasterRunner) else None
        self._all_done = all_done
        self._leaser = Leaser(0)
        self._done: set[str] = set()
        if self._runner is not None:
            self._runner.register_message(_ASK, self._give)
            self._runner.register_message(_DONE, self._worker_done)

    def open(self, visits: int, step: int) -> None:
        """Begin to lend the visits of a new run, *step* at a time."""
        self._leaser = Leaser(visits, step)
        self._done.clear()

    def _give(self, msg: _Message, **_: object) -> None:
        if self._runner is not None:
            self._runner.send_message(_GIVE, {"lease": self._leaser()}, client_id=msg.node_id)

    def _worker_done(self, msg: _Message, **_: object) -> None:
        self._done.add(msg.node_id)
        self.check()

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

    def done(self) -> None:
        """Tell the master that everything lent to this worker was played."""
        self._runner.send_message(_DONE, None)

    def _given(self, msg: _Message, **_: object) -> None:
        if self._answer is not None and isinstance(msg.data, dict):
            lease = msg.data["lease"]
            self._answer.set(tuple(lease) if lease else None)
