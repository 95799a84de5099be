"""`dogfood`: the command line, with the table of commands."""

import os
from collections.abc import Mapping

import click

from analysis.memory import address_limit
from dogfood.commands.lazy_group import LazyGroup
from dogfood.commands.options import EXIT_CODES
from dogfood.console import protect_output
from dogfood.exit_codes import PrintLine, leave, print_line, run_guarded, treat_as_interrupts
from dogfood.memory_limit import run_contained

#: Module and function of each command, within `dogfood`.
_COMMANDS: Mapping[str, str] = {
    "up": "up:up",
    "down": "down:down",
    "status": "status:status",
    "run": "run:run",
    "browse": "browse:browse",
    "calibrate": "calibrate:calibrate",
    "assign": "assign:assign",
    "events": "events:events",
    "ingest": "ingest:ingest",
    "analyse": "analyse:analyse",
    "compare": "compare:compare",
    "checks": "checks:checks",
    "power": "power:power",
    "capacity": "capacity.group:capacity",
    "faults": "faults:faults",
    "watch": "watch:watch",
    "open": "open:open_report",
    "metrics": "metrics:metrics",
    "doctor": "doctor:doctor",
    "real": "real:real",
    "completion": "completion:completion",
    "tickets": "tickets:tickets",
}


@click.group(
    cls=LazyGroup, modules=_COMMANDS, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="experiment-dogfood")
def cli() -> None:
    """Prove that an experiment's events arrive in the table, in the right group, as the right rows."""


def main() -> None:
    """Run the command line; every error becomes one line and an exit code."""
    treat_as_interrupts()
    # Runs and testbeds hold session cookies and account names: only this user may read their files.
    os.umask(0o077)
    protect_output()
    limit = address_limit()
    leave(run_guarded(lambda: run_contained(_run, limit)) if limit else _run(print_line))


def _run(print_error: PrintLine) -> int:
    return run_guarded(lambda: cli.main(standalone_mode=False), print_error)
