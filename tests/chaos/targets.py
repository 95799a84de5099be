"""What is killed in runs: the generator's processes, the recorder, and the services under traffic."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress

import psutil

from dogfood.testbed_control.stream import StreamKind
from tests.chaos.runs import SYNTHETIC, TWO_WORKERS, Running, Target


def _one_sender(running: Running) -> list[int]:
    return [running.chance.choice(running.senders())]


def _one_worker(running: Running) -> list[int]:
    return [running.chance.choice(sorted(running.workers()))]


def _master(running: Running) -> list[int]:
    return sorted({psutil.Process(pid).ppid() for pid in running.workers()})


def _command(running: Running) -> list[int]:
    """Return the process that the recorder is a thread of."""
    return [running.pid]


def _hold_intake(running: Running) -> None:
    """Keep the intake from answering: the next beacon that a browser sends stays between intent and outcome."""
    os.kill(running.service("intake")[0], signal.SIGSTOP)


def _release_intake(running: Running) -> None:
    os.kill(running.service("intake")[0], signal.SIGCONT)


def _has_unanswered_beacon(running: Running) -> bool:
    return running.unanswered("browser") > 0


def _serves_a_page(running: Running) -> bool:
    """Return whether PHP has a connection: it closes each with the answer."""
    for pid in running.service("wiki"):
        with suppress(psutil.Error):
            if any(item.status == psutil.CONN_ESTABLISHED for item in psutil.Process(pid).net_connections()):
                return True
    return False


TARGETS: Mapping[str, Target] = {
    "sender": Target(SYNTHETIC, _one_sender),
    "worker": Target(TWO_WORKERS, _one_worker, held=Running.senders),
    "master": Target(TWO_WORKERS, _master, held=Running.senders),
    "recorder": Target(
        ("browse", "--scenario", "ctr", "--users", "6"), _command, _has_unanswered_beacon,
        from_bytes=(1, 4_000), services=("mpic", "intake", "wiki"), before=_hold_intake, after=_release_intake,
    ),
    "mpic": Target(SYNTHETIC, lambda running: running.service("mpic"), held=Running.senders, again=("mpic",)),
    "intake": Target(SYNTHETIC, lambda running: running.service("intake"), held=Running.senders, again=("intake",)),
    "wiki": Target(
        ("run", "--fidelity", "wiki", "--sessions", "60"), lambda running: running.service("wiki"), _serves_a_page,
        from_bytes=(200, 8_000), services=("mpic", "intake", "wiki"),
    ),
    "kafka": Target(
        SYNTHETIC, lambda running: running.service("kafka"), held=Running.senders, again=("kafka",),
        stream=StreamKind.KAFKA,
    ),
}  # fmt: skip
