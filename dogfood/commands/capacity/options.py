"""Options of all commands that make load, and what they mean."""

import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path

import click

from common.bounded_numbers import Count
from common.durations import Duration
from contracts.assignment import Generation
from dogfood.capacity.generator import LocustGenerator
from dogfood.capacity.search import Systems, make_ready
from dogfood.commands.options import RUNS, together
from dogfood.testbed_control.services import Testbed

#: The options of all that make load: where it goes, and how it is made.
load_options = together(
    click.option("--target", default="local", show_default=True,
                 help="A file in targets/, or a path to one."),
    click.option("--confirm", default="", metavar="TARGET", help="The name again, of a production target."),
    click.option("--intake", default="", help="Address of another intake, on a host that the target allows."),
    click.option("--observed", type=click.Path(path_type=Path), multiple=True,
                 help="Rows that land elsewhere (NDJSON that grows, Parquet). Repeatable."),
    click.option("--server-pid", "pids", type=Count(1), multiple=True,
                 help="Process of the server to watch; the testbed's is known. Repeatable."),
    click.option("--testbed", "testbed", type=click.Path(path_type=Path, file_okay=False),
                 default=Path(".testbed"), show_default=True, envvar="DOGFOOD_TESTBED", show_envvar=True,
                 help="Folder of the testbed's files."),
    RUNS,
    click.option("--slo", "slos", multiple=True,
                 help="Objective: p50, p95, p99, max, errors or lost. Repeatable. "
                      "[default: p99=250ms errors=0.1% lost=0]"),
    click.option("--pace", type=click.Choice(["constant", "poisson"]), default="constant", show_default=True,
                 help="How events follow each other."),
    click.option("--batch", type=Count(1, 1000), default=1, show_default=True,
                 help="Events in one request."),
    click.option("--hasty", is_flag=True, help="Send as browsers do: answered 202 before validation."),
    click.option("--workers", type=Count(1, 64), default=1, show_default=True,
                 help="Locust processes."),
    click.option("--generation", type=click.Choice([str(item) for item in Generation]),
                 default=str(Generation.ALPHA), help="Release of the platform."),
    click.option("--seed", type=Count(0, 2**50), default=1, show_default=True,
                 help="Of the events; each step has one of its own."),
    click.option("--settle", type=Duration(0), default="3s", show_default=True,
                 help="Beginning of each step that does not count."),
)  # fmt: skip


def prepare(options: dict[str, object]) -> tuple[Systems, LocustGenerator]:
    """Return the systems, made ready, and the generator that *options* (of `load_options`) ask for."""
    systems = make_ready(
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


class ended_by_signals:  # noqa: N801 (reads like a function where it is used)
    """While this lasts, SIGTERM ends a check as Ctrl-C does: what was measured is kept, and the generator stopped."""

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)


def same_command_line() -> str:
    """Return the command line, to repeat it."""
    return shlex.join(["dogfood", *sys.argv[1:]])


def _path(value: object) -> Path:
    return Path(str(value))
