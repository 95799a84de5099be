"""The testbed's services as processes: start, status, addresses, stop by process id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import orjson
import psutil

from common.atomic_write import atomic_write
from common.errors import DogfoodError, KitFaultError
from common.parent_death import end_with_parent
from common.typed_json import DamagedFileError
from common.urls import with_query
from dogfood.testbed_control.child_processes import run_module
from dogfood.testbed_control.service_health import HOST, bootstrap_answers, is_healthy, kafka_answers, port_problem
from dogfood.testbed_control.state_files import ServiceRecord, read_faults, running, wiki_extensions
from dogfood.testbed_control.stream import StreamChoice, StreamKind, recorded
from dogfood.testbed_control.supervisor import ended, locked, service_environment, stop_leftovers

_KILL_TIMEOUT_S = 6.0
_POLL_S = 0.05

#: File of the faults that are switched on, in the testbed's folder.
FAULTS = "faults.json"

#: The testbed's services; Kafka only runs when it is chosen.
NAMES = ("mpic", "intake", "wiki")
ALL_NAMES = ("kafka", *NAMES)

#: Services outlive the command that starts them. Python warns about a Popen collected while its process runs.
_started: list[subprocess.Popen[bytes]] = []


class Service(NamedTuple):
    """A service of the testbed.

    Attributes:
        name: name in messages, file names and the option `--<name>-port`.
        port: default port.
        arguments: arguments of Python; `{mpic}`, `{intake}` and `{kafka}` stand for the addresses of those services.
        start_timeout_s: seconds until it has to be healthy.
        answers: returns whether the service on a port is healthy.
        address: template of its address; `{}` stands for host and port.
        stop_timeout_s: seconds to stop before it is killed.
    """

    name: str
    port: int
    arguments: tuple[str, ...]
    start_timeout_s: float = 20.0
    answers: Callable[[int], bool] = is_healthy
    address: str = "http://{}"
    stop_timeout_s: float = 6.0


@dataclass(frozen=True)
class WikiOptions:
    """Parts of the wiki that replace the testbed's.

    Attributes:
        mediawiki: folder of an unpacked release.
        extensions: folder with clones of the real extensions.
        intake: address, with path, of a running intake.
    """

    mediawiki: Path | None = None
    extensions: Path | None = None
    intake: str = ""


class State(NamedTuple):
    """State of a service: *health* is `healthy`, `not answering` or `stopped`.

    An external service has an address, but no port, process or log.
    """

    name: str
    health: str
    port: int | None
    pid: int | None
    log: str
    address: str = ""


@dataclass(frozen=True)
class Testbed:
    """The testbed whose files are in *folder*.

    Its state is only in files: `<service>.json` names process and port, so any later command finds a service that an
    earlier one started, and notices a crash.
    """

    folder: Path
    wiki: WikiOptions = WikiOptions()
    #: Whether its services keep running when the command that started them ends.
    outlives_command: bool = True

    @property
    def wiki_dir(self) -> Path:
        """Folder of the wiki's database and settings."""
        return self.folder / "wiki"

    @property
    def has_own_extension(self) -> bool:
        """Whether the wiki runs the testbed's extension instead of the real ones."""
        return "ExperimentPlatform" in wiki_extensions(self.wiki_dir / "settings.json")

    @property
    def stream_dir(self) -> Path:
        """Folder of the stream's segments."""
        return self.folder / "stream"

    @property
    def table_dir(self) -> Path:
        """Folder of the table."""
        return self.folder / "table"

    @property
    def stream(self) -> StreamChoice:
        """Carrier of the stream. Raises DogfoodError when its record is invalid."""
        return recorded(self.folder)

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults of the catalogue that are switched on (`dogfood.faults.switches`)."""
        return read_faults(self.folder / FAULTS)

    @property
    def fault_arguments(self) -> tuple[str, ...]:
        """Arguments that switch the faults on in the testbed's commands."""
        return ("--fault", ",".join(self.faults)) if self.faults else ()

    def services(self) -> tuple[Service, ...]:
        """Return the services in their starting order."""
        kafka = Service(
            "kafka", 9092, ("-m", "testbed.stream.kafka", "--data", str(self.folder / "kafka")),
            # The first start downloads its jars.
            start_timeout_s=300.0, answers=kafka_answers, address="{}", stop_timeout_s=20.0,
        )  # fmt: skip
        intake = ("-m", "testbed.intake", *self._stream_arguments("{kafka}"), *self.fault_arguments)
        return (
            *((kafka,) if self.stream.own_broker else ()),
            Service(
                "mpic", 8086, ("-m", "testbed.mpic", "--database", str(self.folder / "mpic.sqlite")), 20.0, is_healthy
            ),
            Service("intake", 8192, intake),
            # The first start downloads and installs MediaWiki.
            Service("wiki", 8080, self._wiki_arguments(), start_timeout_s=300.0),
        )

    def bootstrap(self) -> str:
        """Return the address of the Kafka that carries the stream; empty for segment files.

        Raises:
            DogfoodError: the testbed's own Kafka does not run.
        """
        if not self.stream.own_broker:
            return self.stream.bootstrap
        state = next(state for state in self.status() if state.name == "kafka")
        if state.health != "healthy":
            raise DogfoodError(f"the stream is in Kafka, which is {state.health}; start it with `dogfood up`")
        return state.address

    def stream_arguments(self) -> tuple[str, ...]:
        """Return the arguments that name the stream to the testbed's commands, such as `--kafka 127.0.0.1:9092`.

        Raises:
            DogfoodError: the testbed's own Kafka does not run.
        """
        return self._stream_arguments(self.bootstrap())

    def _stream_arguments(self, own_broker: str) -> tuple[str, ...]:
        if self.stream.kind is StreamKind.SEGMENTS:
            return ("--stream-dir", str(self.stream_dir))
        return ("--kafka", self.stream.bootstrap or own_broker)

    def use_stream(self, choice: StreamChoice) -> None:
        """Set the carrier of the stream.

        Raises:
            DogfoodError: services run with another carrier.
        """
        if choice != self.stream:
            running = [state.name for state in self.status() if state.name in ("kafka", "intake") and state.pid]
            if running:
                raise DogfoodError(f"{' and '.join(running)} run with another stream; stop them with `dogfood down`")
        choice.write(self.folder)

    def _wiki_arguments(self) -> tuple[str, ...]:
        folders = {"--mediawiki": self.wiki.mediawiki, "--extensions": self.wiki.extensions}
        # The testbed's address is filled in when the wiki starts; an external one may have a query.
        external = self.wiki.intake and with_query(self.wiki.intake, hasty="true")
        intake = external or "{intake}/v1/events?hasty=true"
        return (
            "-m", "testbed.wiki", "--folder", str(self.wiki_dir), "--releases", str(self.folder / "mediawiki"),
            "--mpic", "{mpic}", "--intake", intake,
            *(word for option, folder in folders.items() if folder for word in (option, str(folder))),
            *self.fault_arguments,
        )  # fmt: skip

    def up(self, ports: Mapping[str, int], names: Collection[str] = NAMES) -> list[State]:
        """Start the services that do not run yet.

        Args:
            ports: ports by service; a missing service uses its default port.
            names: names of the services; the intake also starts the testbed's Kafka, if the stream needs it.

        Raises:
            DogfoodError: a port is in use, a service runs on another port, or an external Kafka does not answer.
            KitFaultError: a service does not start. The services that this call started are stopped.
        """
        with self.locked():
            return self._up(ports, names)

    def locked(self) -> AbstractContextManager[None]:
        """Keep other commands from starting or stopping services until the block ends. Raises DogfoodError."""
        return locked(self.folder)

    def _up(self, ports: Mapping[str, int], names: Collection[str]) -> list[State]:
        if self.stream.bootstrap and "intake" in names and not bootstrap_answers(self.stream.bootstrap):
            raise DogfoodError(f"Kafka at {self.stream.bootstrap} does not answer; start it, or correct --kafka")
        started: list[Service] = []
        try:
            for service in self.services():
                needed = service.name in names or (service.name == "kafka" and "intake" in names)
                if needed and self._start(service, ports.get(service.name)):
                    started.append(service)
                    if service.name == "kafka":
                        # The intake looks for its topics before it answers.
                        self._await(service)
            for service in started:
                self._await(service)
        except DogfoodError:
            for service in started:
                self._stop(service)
            raise
        return self.status()

    def down(self, names: Collection[str] = ALL_NAMES) -> list[str]:
        """Stop every running service of *names*, also those without a record, and return their names."""
        if not self.folder.is_dir():
            return []
        with self.locked():
            services = [service for service in reversed(self.services()) if service.name in names]
            stopped = [service.name for service in services if self._stop(service)]
            return [*stopped, *sorted(stop_leftovers(self.folder, names) - set(stopped))]

    def status(self) -> list[State]:
        """Return the state of each service, including an external Kafka."""
        states = [self._state(service) for service in self.services()]
        if self.stream.bootstrap:
            health = "healthy" if bootstrap_answers(self.stream.bootstrap) else "not answering"
            states.insert(0, State("kafka", health, None, None, "", self.stream.bootstrap))
        return states

    def pids(self) -> list[int]:
        """Return the process ids of the running services."""
        return [record.pid for service in self.services() if (record := self._record(service)) is not None]

    def url(self, name: str) -> str | None:
        """Return the address of a service, or None when it does not run."""
        state = next(state for state in self.status() if state.name == name)
        return state.address if state.health == "healthy" else None

    def configure_wiki(self, changes: Mapping[str, object]) -> None:
        """Change settings of the wiki, also while it runs. Raises KitFaultError."""
        run_module(
            "changing the wiki's settings", "testbed.wiki.change_settings", "--folder", str(self.wiki_dir),
            stdin=orjson.dumps(changes),
        )  # fmt: skip

    def _start(self, service: Service, port: int | None) -> bool:
        record = self._record(service)
        if record is not None:
            if port not in (None, record.port):
                raise DogfoodError(
                    f"{service.name} already runs on port {record.port}; stop it first with `dogfood down`"
                )
            return False
        port = service.port if port is None else port
        if problem := port_problem(port):
            raise DogfoodError(
                f"port {port} ({service.name}) cannot be used: {problem}; choose another with --{service.name}-port"
            )
        self._log(service).parent.mkdir(parents=True, exist_ok=True)
        arguments = [word.format_map(_Addresses(self)) for word in service.arguments]
        command = [sys.executable, *arguments, "--host", HOST, "--port", str(port)]
        if not self.outlives_command:
            command = end_with_parent(command, signal.SIGTERM)
        with self._log(service).open("ab") as log:
            # A new session: Ctrl-C in the terminal ends the command, not the testbed.
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env=service_environment(self.folder, service.name), umask=0o077,
            )  # fmt: skip
        _started.append(process)
        born = psutil.Process(process.pid).create_time()
        atomic_write(self._file(service), ServiceRecord(process.pid, born, port).write())
        return True

    def _await(self, service: Service) -> None:
        deadline = time.monotonic() + service.start_timeout_s
        while time.monotonic() < deadline:
            state = self._state(service)
            if state.health == "healthy":
                return
            if state.health == "stopped":
                break
            time.sleep(_POLL_S)
        lines = self._log(service).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise KitFaultError(
            f"{service.name} did not start: {lines[-1] if lines else 'its log is empty'} (log: {self._log(service)})"
        )

    def _stop(self, service: Service) -> bool:
        try:
            record = self._record(service)
        except DamagedFileError:
            # A process without a valid record is identified by its environment (`stop_leftovers`).
            record = None
        if record is not None:
            pid = record.pid
            os.kill(pid, signal.SIGTERM)
            if not ended(pid, service.stop_timeout_s):
                # The service leads a process group, which is killed as a whole.
                os.killpg(pid, signal.SIGKILL)
                ended(pid, _KILL_TIMEOUT_S)
        _started[:] = [process for process in _started if process.poll() is None]
        self._file(service).unlink(missing_ok=True)
        return record is not None

    def _state(self, service: Service) -> State:
        record = self._record(service)
        if record is None:
            return State(service.name, "stopped", None, None, str(self._log(service)))
        port, pid = record.port, record.pid
        health = "healthy" if service.answers(port) else "not answering"
        return State(service.name, health, port, pid, str(self._log(service)), service.address.format(f"{HOST}:{port}"))

    def _record(self, service: Service) -> ServiceRecord | None:
        """Return the record of the running process; None when it does not run. Raises DamagedFileError."""
        return running(self._file(service))

    def _file(self, service: Service) -> Path:
        return self.folder / f"{service.name}.json"

    def _log(self, service: Service) -> Path:
        return self.folder / "log" / f"{service.name}.log"


class _Addresses(dict[str, str]):
    """Addresses of running services, looked up on demand."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed

    def __missing__(self, name: str) -> str:
        state = next(state for state in self._testbed.status() if state.name == name)
        if state.port is None:
            raise KitFaultError(
                f"{name} does not run, but another service of the testbed needs it; start it with `dogfood up`"
            )
        return state.address
