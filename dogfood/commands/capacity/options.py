"""Options of the commands that send load, and the systems and generator that they select."""

import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from common.bounded_numbers import Count, Duration
from contracts.generation import Generation
from dogfood.commands.options import RUNS, RenamedOption, together

# They take seconds to import, and a static answer such as a forecast needs neither.
if TYPE_CHECKING:
    from dogfood.capacity.generator import LocustGenerator
    from dogfood.capacity.search import Systems

#: Options of the load: its target, its shape, its objectives.
load_options = together(
    click.option("--target", metavar="TARGET", default="local", show_default=True,
                 help="Target: a file in targets/, or a path to one."),
    click.option("--confirm", default="", metavar="TARGET",
                 help="Repeat the target's name; required for production."),
    click.option("--intake", default="", metavar="URL", help="Address of another intake, on a host of the target."),
    click.option("--observed", type=click.Path(path_type=Path), metavar="PATH", multiple=True,
                 help="Rows that arrive outside the testbed: growing NDJSON, Parquet. Repeatable."),
    click.option("--server-pid", "pids", type=Count(1), metavar="PID", multiple=True,
                 help="Server process to measure, besides the testbed's. Repeatable."),
    click.option("--testbed", "testbed", type=click.Path(path_type=Path, file_okay=False),
                 default=Path(".testbed"), show_default=True, envvar="DOGFOOD_TESTBED", show_envvar=True,
                 help="Folder of the testbed's files."),
    RUNS,
    click.option("--slo", "slos", metavar="NAME=LIMIT", multiple=True, show_default="p99=250ms errors=0.1% lost=0",
                 help="Objective: p50, p95, p99, max, errors or lost. Repeatable."),
    click.option("--pace", type=click.Choice(["constant", "poisson"]), default="constant", show_default=True,
                 help="Spacing of events."),
    click.option("--batch", type=Count(1, 1000), metavar="EVENTS", default=1, show_default=True,
                 help="Events per request."),
    click.option("--hasty", is_flag=True, help="Send as browsers do: the intake answers 202 before it validates."),
    click.option("--workers", type=Count(1, 64), metavar="PROCESSES", default=1, show_default=True,
                 help="Locust worker processes."),
    click.option("--generation", type=click.Choice([str(item) for item in Generation]),
                 default=str(Generation.ALPHA), show_default=True, help="Release of the platform."),
    click.option("--seed", type=Count(0, 2**50), metavar="NUMBER", default=1, show_default=True,
                 help="Seed of the events; each step derives another."),
    click.option("--warm-up", cls=RenamedOption, old="--settle", type=Duration(0), default="3s", show_default=True,
                 help="Beginning of each step that is not measured."),
)  # fmt: skip


def prepare(options: dict[str, object]) -> "tuple[Systems, LocustGenerator]":
    """Prepare the systems and return them with the generator, by *options* (of `load_options`)."""
    from dogfood.capacity.generator import LocustGenerator
    from dogfood.capacity.search import prepare_systems
    from dogfood.testbed_control.services import Testbed

    systems = prepare_systems(
        Testbed(_path(options["testbed"])), str(options["target"]), str(options["intake"]), str(options["confirm"]),
        tuple(options["observed"]),  # type: ignore[arg-type]
    )  # fmt: skip
    systems = replace(systems, pids=(*systems.pids, *options["pids"]))  # type: ignore[misc]
    generator = LocustGenerator(
        intake=systems.target.intake, target=str(options["target"]), confirm=str(options["confirm"]),
        pace=str(options["pace"]), workers=int(str(options["workers"])), batch=int(str(options["batch"])),
        hasty=bool(options["hasty"]), generation=str(options["generation"]), seed=int(str(options["seed"])),
    )  # fmt: skip
    return systems, generator


class ended_by_signals:  # noqa: N801 (reads like a function in a with statement)
    """Context in which SIGTERM ends a check as Ctrl-C does: the generator stops and the measured steps are kept."""

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)


def same_command_line() -> str:
    """Return this process' command line, to repeat it."""
    return shlex.join(["dogfood", *sys.argv[1:]])


def _path(value: object) -> Path:
    return Path(str(value))
