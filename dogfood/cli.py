"""`dogfood`: the command line."""

import os
import sys
from collections.abc import Mapping
from importlib import import_module

import click

from analysis.memory import refused
from dogfood.commands.options import EXIT_CODES
from dogfood.examples import add_examples
from dogfood.signals import treat_as_interrupts
from metrics_platform.errors import DogfoodError, KitFaultError

#: Where each command is, `module:name` within `dogfood`.
_COMMANDS: Mapping[str, str] = {
    "up": "commands.starting:up",
    "down": "commands.starting:down",
    "status": "commands.starting:status",
    "run": "commands.running:run",
    "browse": "commands.running:browse",
    "calibrate": "commands.calibrating:calibrate",
    "assign": "commands.printing:assign",
    "events": "commands.printing:events",
    "ingest": "commands.ingesting:ingest",
    "analyse": "commands.judging:analyse",
    "compare": "commands.judging:compare",
    "checks": "commands.judging:checks",
    "power": "commands.judging:power",
    "capacity": "commands.capacity:capacity",
    "faults": "commands.faults:faults",
    "watch": "commands.watching:watch",
    "open": "commands.opening:open_report",
    "metrics": "commands.metrics:metrics",
    "doctor": "commands.doctor:doctor",
    "real": "commands.real:real",
    "completion": "commands.completing:completion",
    "tickets": "tickets.command:tickets",
}

#: Those that load statistics and a database.
_ANALYSES = frozenset({"analyse", "compare", "checks", "power", "run", "faults"})


class InterruptedCommandError(DogfoodError):
    """A command that was ended by a person or a signal: nothing is proved."""

    exit_code = 3


class Commands(click.Group):
    """The commands of the kit, each imported when it is asked for: statistics and browsers take a second to import."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. Raises InterruptedCommandError where somebody ends it before it has a result."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise InterruptedCommandError("interrupted before there was a result: run the command again") from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's)
        """Return the names of all commands, in the order of the alphabet."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's)
        """Return the command *cmd_name*, whose help ends with its examples; None when there is none."""
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name not in self.commands:
            if cmd_name in _ANALYSES and (why := refused()):
                # Before the import: libraries that find no memory end the process by a signal.
                raise KitFaultError(why)
            module, _, attribute = _COMMANDS[cmd_name].partition(":")
            command: click.Command = getattr(import_module(f"dogfood.{module}"), attribute)
            add_examples(cmd_name, command)
            self.add_command(command, cmd_name)
        return self.commands[cmd_name]


@click.group(cls=Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="experiment-dogfood")
def cli() -> None:
    """Prove that an experiment's events end up, in the right group, as the right rows."""


def main() -> None:
    """Run the command line; an error a user can put right becomes one line and its exit code."""
    treat_as_interrupts()
    # Runs and testbeds hold session cookies and names of accounts: their files are for this user only.
    os.umask(0o077)
    try:
        cli()
    except DogfoodError as error:
        see = f" (see {error.page})" if error.page else ""
        click.echo(f"error: {error}{see}", err=True)
        sys.exit(error.exit_code)
