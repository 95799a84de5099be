"""A single-node Kafka broker: KRaft, with controller and broker in one process."""

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
    """A broker that listens on *host* and *port*, with data and settings in the folder *data*."""

    def __init__(self, data: Path, host: str, port: int) -> None:
        self._data = data.resolve()
        self._host = host
        self._port = port

    def prepare(self) -> list[str]:
        """Write the settings, format a new data folder, and return the command that starts the broker.

        Raises:
            DogfoodError: Java or Maven is missing, or the port is in use.
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
        arguments = ["format", "--ignore-formatted", f"--cluster-id={cluster}", f"--config={settings}"]
        process = subprocess.run(
            end_with_parent([*command, "kafka.tools.StorageTool", *arguments]),
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            output = (process.stdout + process.stderr).strip().splitlines()
            raise KitFaultError(f"Kafka cannot format {self._logs}: {output[-1] if output else 'no output'}")

    def _settings(self, controller_port: int) -> str:
        """Return the settings. *controller* is a port that only the broker itself connects to."""
        address = f"PLAINTEXT://{self._host}:{self._port}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": f"{address},CONTROLLER://{self._host}:{controller_port}",
            "advertised.listeners": address,
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.quorum.voters": f"1@{self._host}:{controller_port}",
            "log.dirs": self._logs,
            "num.partitions": PARTITIONS,
            "message.max.bytes": MESSAGE_BYTES,
            # A single node cannot replicate.
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "offsets.topic.num.partitions": 3,
            "group.initial.rebalance.delay.ms": 0,
            # After a crash the controller accepts the broker again when its previous session has expired.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            # A misspelt topic must not be created.
            "auto.create.topics.enable": "false",
            # Keep all messages for the lifetime of the testbed.
            "log.retention.ms": -1,
            "log.index.size.max.bytes": 1 << 20,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())
