"""Which of Locust's workers are there: a busy one is late to say so, and one whose process has ended is gone.

Locust takes a worker for missing when it was not heard for three seconds, and stops the test when all are. On a machine
with much to do that happens to workers that are well.
"""

import os
import socket
from collections.abc import Mapping
from typing import Any

import gevent
import psutil
from locust import runners
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

#: A worker that is not heard for so many seconds is taken for missing.
SILENT_FOR_S = 60

_PROCESS = "dogfood_process"
_EVERY_S = 1.0


def tolerate_silence(environment: Environment) -> None:
    """Let workers be silent for `SILENT_FOR_S`; one on this machine whose process has ended is noticed within seconds.

    To be called once in each Locust process, when its runner is there.
    """
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        environment.events.report_to_master.add_listener(_tell_process)  # type: ignore[no-untyped-call]
    if isinstance(runner, MasterRunner):
        runners.HEARTBEAT_LIVENESS = round(SILENT_FOR_S / runners.HEARTBEAT_INTERVAL)
        _Watch(runner, environment)


def _tell_process(client_id: str, data: dict[str, Any], **_: object) -> None:  # noqa: ARG001 (Locust's)
    data[_PROCESS] = {"host": socket.gethostname(), "pid": os.getpid(), "born": psutil.Process().create_time()}


class _Watch:
    """Looks after the processes of the workers that are on this machine."""

    def __init__(self, runner: MasterRunner, environment: Environment) -> None:
        self._runner = runner
        self._processes: dict[str, tuple[int, float]] = {}
        environment.events.worker_report.add_listener(self._hear)  # type: ignore[no-untyped-call]
        gevent.spawn(self._look_on)

    def _hear(self, client_id: str, data: Mapping[str, Any], **_: object) -> None:
        process = data.get(_PROCESS)
        if isinstance(process, Mapping) and process.get("host") == socket.gethostname():
            self._processes[client_id] = (int(process["pid"]), float(process["born"]))

    def _look_on(self) -> None:
        while True:
            gevent.sleep(_EVERY_S)
            for client_id, (pid, born) in list(self._processes.items()):
                if not _is_alive(pid, born):
                    self._call_missing(client_id)
                    del self._processes[client_id]

    def _call_missing(self, client_id: str) -> None:
        """Let Locust take the worker for missing when it looks at its heartbeats next."""
        client = self._runner.clients.get(client_id)
        if client is not None and client.state != STATE_MISSING:
            client.heartbeat = -1


def _is_alive(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - born) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
