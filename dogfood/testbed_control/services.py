"""The testbed's services as processes: started, found again, asked how they are, stopped by process id."""

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
from dogfood.testbed_control.modules import run_module
from dogfood.testbed_control.service_health import HOST, bootstrap_answers, is_healthy, kafka_answers, why_taken
from dogfood.testbed_control.state_files import ServiceRecord, read_faults, running, wiki_extensions
from dogfood.testbed_control.stream import StreamChoice, StreamKind, recorded
from dogfood.testbed_control.supervisor import ended, locked, service_environment, stop_leftovers

_KILLED_WITHIN_S = 6.0
_POLL_S = 0.05

#: Which faults are switched on, in the testbed's folder.
FAULTS = "faults.json"

#: The testbed's services, of which Kafka is only there where it was asked for.
NAMES = ("mpic", "intake", "wiki")
ALL_NAMES = ("kafka", *NAMES)

#: Services outlive the command that starts them. Python complains of a process that is forgotten while it runs.
_started: list[subprocess.Popen[bytes]] = []


class Service(NamedTuple):
    """A service of the testbed.

    Attributes:
        name: for people, for its files and for its option `--<name>-port`.
        port: its usual one.
        arguments: of Python; `{mpic}`, `{intake}` and `{kafka}` stand for the addresses of those services.
        within_s: how long it may take to come up.
        answers: whether what listens on a port is healthy.
        address: how its address is written; `{}` stands for host and port.
        down_within_s: how long it may take to stop before it is killed.
    """

    name: str
    port: int
    arguments: tuple[str, ...]
    within_s: float = 20.0
    answers: Callable[[int], bool] = is_healthy
    address: str = "http://{}"
    down_within_s: float = 6.0


@dataclass(frozen=True)
class WikiOptions:
    """Where the wiki's parts come from, when not from the testbed itself.

    Attributes:
        mediawiki: an unpacked release.
        extensions: folder with clones of the real extensions.
        intake: address, with path, of an intake that is running already.
    """

    mediawiki: Path | None = None
    extensions: Path | None = None
    intake: str = ""


class State(NamedTuple):
    """How a service is: *health* is `healthy`, `not answering` or `stopped`.

    A service that is used, but is not the testbed's own, has an address and neither port nor process nor log.
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

    Nothing is remembered but files: `<service>.json` names process and port, so any later command finds what an
    earlier one started, and sees when it has crashed.
    """

    folder: Path
    wiki: WikiOptions = WikiOptions()
    #: Whether its services go on when the command that started them has ended.
    outlives_command: bool = True

    @property
    def wiki_dir(self) -> Path:
        """Where the wiki's database and settings are."""
        return self.folder / "wiki"

    @property
    def has_own_extension(self) -> bool:
        """Whether the wiki runs the testbed's own extension, and not the real ones."""
        return "ExperimentPlatform" in wiki_extensions(self.wiki_dir / "settings.json")

    @property
    def stream_dir(self) -> Path:
        """Where the stream's segments are."""
        return self.folder / "stream"

    @property
    def table_dir(self) -> Path:
        """Where the table is."""
        return self.folder / "table"

    @property
    def stream(self) -> StreamChoice:
        """What carries the stream. Raises DogfoodError when the record of it makes no sense."""
        return recorded(self.folder)

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults of the catalogue that are switched on (`dogfood.faults.switches`)."""
        return read_faults(self.folder / FAULTS)

    @property
    def fault_arguments(self) -> tuple[str, ...]:
        """What switches them on, for the testbed's own commands."""
        return ("--fault", ",".join(self.faults)) if self.faults else ()

    def services(self) -> tuple[Service, ...]:
        """Return the services, in the order in which they are started."""
        kafka = Service(
            "kafka", 9092, ("-m", "testbed.stream.kafka", "--data", str(self.folder / "kafka")),
            # On its first start its jars are fetched.
            within_s=300.0, answers=kafka_answers, address="{}", down_within_s=20.0,
        )  # fmt: skip
        intake = ("-m", "testbed.intake", *self._stream_arguments("{kafka}"), *self.fault_arguments)
        return (
            *((kafka,) if self.stream.own_broker else ()),
            Service(
                "mpic", 8086, ("-m", "testbed.mpic", "--database", str(self.folder / "mpic.sqlite")), 20.0, is_healthy
            ),
            Service("intake", 8192, intake),
            # On its first start MediaWiki is fetched and installed.
            Service("wiki", 8080, self._wiki_arguments(), within_s=300.0),
        )

    def bootstrap(self) -> str:
        """Return the address of the Kafka that carries the stream; nothing where files do.

        Raises:
            DogfoodError: the testbed's own Kafka does not run.
        """
        if not self.stream.own_broker:
            return self.stream.bootstrap
        state = next(state for state in self.status() if state.name == "kafka")
        if state.health != "healthy":
            raise DogfoodError(f"the stream is in Kafka, which is {state.health}: `dogfood up` starts it")
        return state.address

    def stream_arguments(self) -> tuple[str, ...]:
        """Return how the testbed's commands are told where the stream is, such as `--kafka 127.0.0.1:9092`.

        Raises:
            DogfoodError: the testbed's own Kafka does not run.
        """
        return self._stream_arguments(self.bootstrap())

    def _stream_arguments(self, own_broker: str) -> tuple[str, ...]:
        if self.stream.kind is StreamKind.SEGMENTS:
            return ("--stream-dir", str(self.stream_dir))
        return ("--kafka", self.stream.bootstrap or own_broker)

    def use_stream(self, choice: StreamChoice) -> None:
        """Decide what carries the stream.

        Raises:
            DogfoodError: the testbed runs with another one.
        """
        if choice != self.stream:
            running = [state.name for state in self.status() if state.name in ("kafka", "intake") and state.pid]
            if running:
                raise DogfoodError(f"{' and '.join(running)} run with another stream: stop them with `dogfood down`")
        choice.write(self.folder)

    def _wiki_arguments(self) -> tuple[str, ...]:
        given = {"--mediawiki": self.wiki.mediawiki, "--extensions": self.wiki.extensions}
        # The testbed's own address is filled in when the wiki is started; one from outside may have a query.
        given_intake = self.wiki.intake and with_query(self.wiki.intake, hasty="true")
        intake = given_intake or "{intake}/v1/events?hasty=true"
        return (
            "-m", "testbed.wiki", "--folder", str(self.wiki_dir), "--releases", str(self.folder / "mediawiki"),
            "--mpic", "{mpic}", "--intake", intake,
            *(word for option, value in given.items() if value for word in (option, str(value))),
            *self.fault_arguments,
        )  # fmt: skip

    def up(self, ports: Mapping[str, int], names: Collection[str] = NAMES) -> list[State]:
        """Start what is not running; leave what is.

        Args:
            ports: by service; a service that is missing runs on its usual port.
            names: of the services to start; where the intake needs the testbed's own Kafka, that is started as well.

        Raises:
            DogfoodError: a port is taken, a service runs on another port than was asked for, or a Kafka that is to
                be used does not answer.
            KitFaultError: a service does not come up. What this call started is stopped again.
        """
        with self.locked():
            return self._up(ports, names)

    def locked(self) -> AbstractContextManager[None]:
        """Keep other commands from starting or stopping services until the block ends. Raises DogfoodError."""
        return locked(self.folder)

    def _up(self, ports: Mapping[str, int], names: Collection[str]) -> list[State]:
        if self.stream.bootstrap and "intake" in names and not bootstrap_answers(self.stream.bootstrap):
            raise DogfoodError(f"Kafka at {self.stream.bootstrap} does not answer: is it up, and is that its address?")
        started: list[Service] = []
        try:
            for service in self.services():
                needed = service.name in names or (service.name == "kafka" and "intake" in names)
                if needed and self._start(service, ports.get(service.name)):
                    started.append(service)
                    if service.name == "kafka":
                        # The intake looks for its topics before it answers anybody.
                        self._await(service)
            for service in started:
                self._await(service)
        except DogfoodError:
            for service in started:
                self._stop(service)
            raise
        return self.status()

    def down(self, names: Collection[str] = ALL_NAMES) -> list[str]:
        """Stop every service of *names* that runs, also what no file tells of any more; return their names."""
        if not self.folder.is_dir():
            return []
        with self.locked():
            asked = [service for service in reversed(self.services()) if service.name in names]
            stopped = [service.name for service in asked if self._stop(service)]
            return [*stopped, *sorted(stop_leftovers(self.folder, names) - set(stopped))]

    def status(self) -> list[State]:
        """Return how each service is, also that of a Kafka which is used and not the testbed's own."""
        states = [self._state(service) for service in self.services()]
        if self.stream.bootstrap:
            health = "healthy" if bootstrap_answers(self.stream.bootstrap) else "not answering"
            states.insert(0, State("kafka", health, None, None, "", self.stream.bootstrap))
        return states

    def pids(self) -> list[int]:
        """Return the process ids of the services that run."""
        return [record.pid for service in self.services() if (record := self._record(service)) is not None]

    def url(self, name: str) -> str | None:
        """Return the address of a service, or None when it does not run."""
        state = next(state for state in self.status() if state.name == name)
        return state.address if state.health == "healthy" else None

    def configure_wiki(self, changes: Mapping[str, object]) -> None:
        """Change settings of the wiki, also while it is served. Raises KitFaultError."""
        run_module(
            "changing the wiki's settings", "testbed.wiki.change_settings", "--folder", str(self.wiki_dir),
            given=orjson.dumps(changes),
        )  # fmt: skip

    def _start(self, service: Service, port: int | None) -> bool:
        known = self._record(service)
        if known is not None:
            if port not in (None, known.port):
                raise DogfoodError(
                    f"{service.name} already runs on port {known.port}: stop it first with `dogfood down`"
                )
            return False
        port = service.port if port is None else port
        if why := why_taken(port):
            raise DogfoodError(
                f"port {port} ({service.name}) cannot be used: {why}; choose another with --{service.name}-port"
            )
        self._log(service).parent.mkdir(parents=True, exist_ok=True)
        arguments = [word.format_map(_Addresses(self)) for word in service.arguments]
        command = [sys.executable, *arguments, "--host", HOST, "--port", str(port)]
        if not self.outlives_command:
            command = end_with_parent(command, signal.SIGTERM)
        with self._log(service).open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is for the command, not for the testbed.
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env=service_environment(self.folder, service.name), umask=0o077,
            )  # fmt: skip
        _started.append(process)
        born = psutil.Process(process.pid).create_time()
        atomic_write(self._file(service), ServiceRecord(process.pid, born, port).write())
        return True

    def _await(self, service: Service) -> None:
        deadline = time.monotonic() + service.within_s
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
        try:
            record = self._record(service)
        except DamagedFileError:
            # What runs without a record is found by its environment.
            record = None
        if record is not None:
            pid = record.pid
            os.kill(pid, signal.SIGTERM)
            if not ended(pid, service.down_within_s):
                # The service leads a process group of its own; nothing of it is left behind.
                os.killpg(pid, signal.SIGKILL)
                ended(pid, _KILLED_WITHIN_S)
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
        """Return what is known of the running process; None when there is none. Raises DamagedFileError."""
        return running(self._file(service))

    def _file(self, service: Service) -> Path:
        return self.folder / f"{service.name}.json"

    def _log(self, service: Service) -> Path:
        return self.folder / "log" / f"{service.name}.log"


class _Addresses(dict[str, str]):
    """Addresses of services that run, looked up when they are asked for."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed

    def __missing__(self, name: str) -> str:
        state = next(state for state in self._testbed.status() if state.name == name)
        if state.port is None:
            raise KitFaultError(f"{name} does not run, and another service of the testbed needs it")
        return state.address
