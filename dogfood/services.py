"""The testbed's services as processes: started, found again, asked how they are, stopped by process id."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx
import orjson
import psutil

from metrics_platform.errors import DogfoodError, KitFaultError
from run_record.files import write_whole

HOST = "127.0.0.1"
_UP_WITHIN_S = 20.0
_DOWN_WITHIN_S = 6.0
_POLL_S = 0.05

#: Services outlive the command that starts them. Python complains of a process that is forgotten while it runs.
_started: list[subprocess.Popen[bytes]] = []


class Service(NamedTuple):
    """A service of the testbed: its name, its usual port, and where its files are."""

    name: str
    port: int
    arguments: tuple[str, ...]


class State(NamedTuple):
    """How a service is: *health* is `healthy`, `not answering` or `stopped`."""

    name: str
    health: str
    port: int | None
    pid: int | None
    log: str


@dataclass(frozen=True)
class Testbed:
    """The testbed whose files are in *folder*.

    Nothing is remembered but files: `<service>.json` names process and port, so any later command finds what an
    earlier one started, and sees when it has crashed.
    """

    folder: Path

    @property
    def stream_dir(self) -> Path:
        """Where the stream's segments are."""
        return self.folder / "stream"

    @property
    def table_dir(self) -> Path:
        """Where the table is."""
        return self.folder / "table"

    def services(self) -> tuple[Service, ...]:
        """Return the services, in the order in which they are started."""
        return (
            Service("mpic", 8086, ("-m", "testbed.mpic", "--database", str(self.folder / "mpic.sqlite"))),
            Service("intake", 8192, ("-m", "testbed.intake", "--stream-dir", str(self.stream_dir))),
        )

    def up(self, ports: Mapping[str, int]) -> list[State]:
        """Start what is not running; leave what is.

        Args:
            ports: by service; a service that is missing runs on its usual port.

        Raises:
            DogfoodError: a port is taken, or a service runs on another port than was asked for.
            KitFaultError: a service does not come up. What this call started is stopped again.
        """
        started: list[Service] = []
        try:
            for service in self.services():
                if self._start(service, ports.get(service.name)):
                    started.append(service)
            for service in started:
                self._await(service)
        except DogfoodError:
            for service in started:
                self._stop(service)
            raise
        return self.status()

    def down(self) -> list[str]:
        """Stop every service that runs; return their names."""
        return [service.name for service in reversed(self.services()) if self._stop(service)]

    def status(self) -> list[State]:
        """Return how each service is."""
        return [self._state(service) for service in self.services()]

    def url(self, name: str) -> str | None:
        """Return the address of a service, or None when it does not run."""
        state = next(state for state in self.status() if state.name == name)
        return f"http://{HOST}:{state.port}" if state.health == "healthy" else None

    def _start(self, service: Service, port: int | None) -> bool:
        running = self._record(service)
        if running is not None:
            if port not in (None, running["port"]):
                raise DogfoodError(
                    f"{service.name} already runs on port {running['port']}: stop it first with `dogfood down`"
                )
            return False
        port = service.port if port is None else port
        _check_free(service, port)
        self._log(service).parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, *service.arguments, "--host", HOST, "--port", str(port)]
        with self._log(service).open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is for the command, not for the testbed.
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        _started.append(process)
        born = psutil.Process(process.pid).create_time()
        record = {"pid": process.pid, "born": born, "port": port}
        write_whole(self._file(service), orjson.dumps(record))
        return True

    def _await(self, service: Service) -> None:
        deadline = time.monotonic() + _UP_WITHIN_S
        while time.monotonic() < deadline:
            state = self._state(service)
            if state.health == "healthy":
                return
            if state.health == "stopped":
                break
            time.sleep(_POLL_S)
        said = self._log(service).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise KitFaultError(
            f"{service.name} did not come up: {said[-1] if said else 'it said nothing'} (log: {self._log(service)})"
        )

    def _stop(self, service: Service) -> bool:
        record = self._record(service)
        if record is not None:
            pid = int(record["pid"])
            os.kill(pid, signal.SIGTERM)
            if not _gone(pid, _DOWN_WITHIN_S):
                os.kill(pid, signal.SIGKILL)
                _gone(pid, _DOWN_WITHIN_S)
        self._file(service).unlink(missing_ok=True)
        return record is not None

    def _state(self, service: Service) -> State:
        record = self._record(service)
        if record is None:
            return State(service.name, "stopped", None, None, str(self._log(service)))
        port, pid = int(record["port"]), int(record["pid"])
        health = "healthy" if _healthy(port) else "not answering"
        return State(service.name, health, port, pid, str(self._log(service)))

    def _record(self, service: Service) -> dict[str, float] | None:
        """Return what is known of the running process; None when there is none, also after a crash."""
        try:
            record: dict[str, float] = orjson.loads(self._file(service).read_bytes())
            process = psutil.Process(int(record["pid"]))
            # A process id is used again after a while; the time of birth tells ours from a stranger's.
            same = abs(process.create_time() - record["born"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, KeyError, psutil.Error):
            return None
        return record if same else None

    def _file(self, service: Service) -> Path:
        return self.folder / f"{service.name}.json"

    def _log(self, service: Service) -> Path:
        return self.folder / "log" / f"{service.name}.log"


def _check_free(service: Service, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise DogfoodError(
                f"port {port} for {service.name} is not to be had ({error}): choose another with --{service.name}-port"
            ) from None


def _healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/healthz", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _gone(pid: int, within_s: float) -> bool:
    try:
        process = psutil.Process(pid)
        process.wait(within_s)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True
