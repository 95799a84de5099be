"""`dogfood`: the command line, with the table of commands."""

import ast
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import click

from analysis.memory import address_limit
from dogfood.cli_examples import add_examples
from dogfood.commands.options import EXIT_CODES
from dogfood.console import protect_output
from dogfood.exit_codes import PrintLine, leave, print_line, run_guarded, treat_as_interrupts
from dogfood.memory_limit import run_contained

#: Module and function of each command, within `dogfood`.
_COMMANDS: Mapping[str, str] = {
    "up": "commands.up:up",
    "down": "commands.down:down",
    "status": "commands.status:status",
    "run": "commands.run:run",
    "browse": "commands.browse:browse",
    "calibrate": "commands.calibrate:calibrate",
    "assign": "commands.assign:assign",
    "events": "commands.events:events",
    "ingest": "commands.ingest:ingest",
    "analyse": "commands.analyse:analyse",
    "compare": "commands.compare:compare",
    "checks": "commands.checks:checks",
    "power": "commands.power:power",
    "capacity": "commands.capacity.check:capacity",
    "faults": "commands.faults:faults",
    "watch": "commands.watch:watch",
    "open": "commands.open:open_report",
    "metrics": "commands.metrics:metrics",
    "doctor": "commands.doctor:doctor",
    "real": "commands.real:real",
    "completion": "commands.completion:completion",
    "tickets": "commands.tickets:tickets",
}


class Commands(click.Group):
    """The commands of the kit, each imported when it is used: statistics and browsers take a second to import."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's)
        """Return the names of all commands, sorted."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's)
        """Return the command *cmd_name* with its examples in the help; None when it does not exist."""
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name not in self.commands:
            module, _, attribute = _COMMANDS[cmd_name].partition(":")
            command: click.Command = getattr(import_module(f"dogfood.{module}"), attribute)
            add_examples(cmd_name, command)
            self.add_command(command, cmd_name)
        return self.commands[cmd_name]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with the first sentence of their docstrings, without importing them."""
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, _stub(name).get_short_help_str(limit)) for name in names])


def _stub(name: str) -> click.Command:
    """Return a command with only the docstring of the command *name*."""
    module, _, attribute = _COMMANDS[name].partition(":")
    source = Path(__file__).parent.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    functions = (item for item in ast.parse(source).body if isinstance(item, ast.FunctionDef))
    return click.Command(name, help=next(ast.get_docstring(item) for item in functions if item.name == attribute))


@click.group(cls=Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
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
