"""Worker heartbeats: a long timeout for busy workers, and prompt detection of workers whose process has ended.

Locust marks a worker as missing after three seconds without a heartbeat, and stops the test when all are missing. On a
busy machine that happens to healthy workers.
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

#: Seconds without a heartbeat after which a worker counts as missing.
HEARTBEAT_TIMEOUT_S = 60

_PROCESS = "dogfood_process"
_INTERVAL_S = 1.0


def extend_heartbeat_timeout(environment: Environment) -> None:
    """Set the heartbeat timeout to `HEARTBEAT_TIMEOUT_S`; detect ended processes on this machine within seconds.

    Call it once in each Locust process, when its runner exists.
    """
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        environment.events.report_to_master.add_listener(_add_process)  # type: ignore[no-untyped-call]
    if isinstance(runner, MasterRunner):
        runners.HEARTBEAT_LIVENESS = round(HEARTBEAT_TIMEOUT_S / runners.HEARTBEAT_INTERVAL)
        _ProcessMonitor(runner, environment)


def _add_process(client_id: str, data: dict[str, Any], **_: object) -> None:  # noqa: ARG001 (Locust's signature)
    data[_PROCESS] = {"host": socket.gethostname(), "pid": os.getpid(), "born": psutil.Process().create_time()}


class _ProcessMonitor:
    """Monitors the processes of workers on this machine."""

    def __init__(self, runner: MasterRunner, environment: Environment) -> None:
        self._runner = runner
        self._processes: dict[str, tuple[int, float]] = {}
        environment.events.worker_report.add_listener(self._on_report)  # type: ignore[no-untyped-call]
        gevent.spawn(self._monitor)

    def _on_report(self, client_id: str, data: Mapping[str, Any], **_: object) -> None:
        process = data.get(_PROCESS)
        if isinstance(process, Mapping) and process.get("host") == socket.gethostname():
            self._processes[client_id] = (int(process["pid"]), float(process["born"]))

    def _monitor(self) -> None:
        while True:
            gevent.sleep(_INTERVAL_S)
            for client_id, (pid, created_s) in list(self._processes.items()):
                if not _is_alive(pid, created_s):
                    self._mark_missing(client_id)
                    del self._processes[client_id]

    def _mark_missing(self, client_id: str) -> None:
        """Let Locust's next heartbeat check mark the worker as missing."""
        client = self._runner.clients.get(client_id)
        if client is not None and client.state != STATE_MISSING:
            client.heartbeat = -1


def _is_alive(pid: int, created_s: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - created_s) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
