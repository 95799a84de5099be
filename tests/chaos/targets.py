"""Targets of kills in runs: the generator's processes, the recorder, and services under load."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress

import psutil

from dogfood.testbed_control.stream import StreamKind
from tests.chaos.runs import SYNTHETIC, TWO_WORKERS, Running, Target


def _one_sender(running: Running) -> list[int]:
    return [running.rng.choice(running.senders())]


def _one_worker(running: Running) -> list[int]:
    return [running.rng.choice(sorted(running.workers()))]


def _master(running: Running) -> list[int]:
    return sorted({psutil.Process(pid).ppid() for pid in running.workers()})


def _command(running: Running) -> list[int]:
    """Return the process of which the recorder is a thread."""
    return [running.pid]


def _hold_intake(running: Running) -> None:
    """Stop the intake: a browser's next beacon stays without an outcome."""
    os.kill(running.service("intake")[0], signal.SIGSTOP)


def _release_intake(running: Running) -> None:
    os.kill(running.service("intake")[0], signal.SIGCONT)


def _has_unanswered_beacon(running: Running) -> bool:
    return running.unanswered("browser") > 0


def _serves_a_page(running: Running) -> bool:
    """Return whether PHP has an open connection; it closes each after the response."""
    for pid in running.service("wiki"):
        with suppress(psutil.Error):
            if any(item.status == psutil.CONN_ESTABLISHED for item in psutil.Process(pid).net_connections()):
                return True
    return False


TARGETS: Mapping[str, Target] = {
    "sender": Target(SYNTHETIC, _one_sender),
    "worker": Target(TWO_WORKERS, _one_worker, paused=Running.senders),
    "master": Target(TWO_WORKERS, _master, paused=Running.senders),
    "recorder": Target(
        ("browse", "--scenario", "ctr", "--users", "6"), _command, _has_unanswered_beacon,
        from_bytes=(1, 4_000), services=("mpic", "intake", "wiki"), before=_hold_intake, after=_release_intake,
    ),
    "mpic": Target(SYNTHETIC, lambda running: running.service("mpic"), paused=Running.senders, restarted=("mpic",)),
    "intake": Target(
        SYNTHETIC, lambda running: running.service("intake"), paused=Running.senders, restarted=("intake",)
    ),
    "wiki": Target(
        ("run", "--fidelity", "wiki", "--sessions", "60"), lambda running: running.service("wiki"), _serves_a_page,
        from_bytes=(200, 8_000), services=("mpic", "intake", "wiki"),
    ),
    "kafka": Target(
        SYNTHETIC, lambda running: running.service("kafka"), paused=Running.senders, restarted=("kafka",),
        stream=StreamKind.KAFKA,
    ),
}  # fmt: skip
