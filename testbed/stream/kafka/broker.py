"""A broker of one node: KRaft, controller and broker in one process."""

import base64
import subprocess
import uuid
from pathlib import Path

from common.errors import KitFaultError
from common.parent_death import end_with_parent
from common.ports import free_port
from contracts.kafka import PARTITIONS
from testbed.http_server import bind
from testbed.maven import jars, java
from testbed.stream.kafka.producer import MESSAGE_BYTES

_HERE = Path(__file__).resolve().parent
_MEMORY = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class Broker:
    """A broker whose data and settings are in *data*, and that listens on *host* and *port*."""

    def __init__(self, data: Path, host: str, port: int) -> None:
        self._data = data.resolve()
        self._host = host
        self._port = port

    def prepare(self) -> list[str]:
        """Write the settings, format the data's folder when it is new, and return the command that starts the broker.

        Raises:
            DogfoodError: Java or Maven is missing, or the port is taken.
            KitFaultError: the folder cannot be formatted.
        """
        command = [java(), *_MEMORY, f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}"]
        command += ["-cp", f"{jars(_HERE / 'pom.xml')}/*"]
        bind(self._host, self._port).close()
        self._data.mkdir(parents=True, exist_ok=True)
        settings = self._data / "server.properties"
        settings.write_text(self._settings(free_port(self._host)), encoding="utf-8")
        if not (self._logs / "meta.properties").exists():
            self._format(command, settings)
        return [*command, "kafka.Kafka", str(settings)]

    @property
    def _logs(self) -> Path:
        return self._data / "logs"

    def _format(self, command: list[str], settings: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        words = ["format", "--ignore-formatted", f"--cluster-id={cluster}", f"--config={settings}"]
        done = subprocess.run(
            end_with_parent([*command, "kafka.tools.StorageTool", *words]), capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = (done.stdout + done.stderr).strip().splitlines()
            raise KitFaultError(
                f"Kafka's folder {self._logs} cannot be made: {said[-1] if said else 'it said nothing'}"
            )

    def _settings(self, controller: int) -> str:
        """Return the settings. *controller* is a port that nobody but the broker itself speaks to."""
        address = f"PLAINTEXT://{self._host}:{self._port}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": f"{address},CONTROLLER://{self._host}:{controller}",
            "advertised.listeners": address,
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.quorum.voters": f"1@{self._host}:{controller}",
            "log.dirs": self._logs,
            "num.partitions": PARTITIONS,
            "message.max.bytes": MESSAGE_BYTES,
            # One node has nobody to replicate to.
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "offsets.topic.num.partitions": 3,
            "group.initial.rebalance.delay.ms": 0,
            # After a crash the controller takes the broker back when the former session has ended.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            # A topic that is misspelt must not come into being.
            "auto.create.topics.enable": "false",
            # Nothing is thrown away while the testbed is kept.
            "log.retention.ms": -1,
            "log.index.size.max.bytes": 1 << 20,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())
