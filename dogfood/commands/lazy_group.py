"""Groups of commands that are imported when they are used: statistics and browsers take seconds to import."""

import ast
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from dogfood.cli_examples import add_examples

_PACKAGE = "dogfood.commands"


class LazyGroup(click.Group):
    """A group that imports a command when it is used.

    Args:
        modules: location of each command, `module:function` in `dogfood.commands`, by name.
        prefix: name of the group in the examples, with a blank after it; empty for the program itself.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], prefix: str = "", **settings: Any) -> None:  # noqa: ANN401 (click's)
        super().__init__(*args, **settings)
        self._modules = modules
        self._prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's)
        """Return the names of all commands, sorted."""
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's)
        """Return the command *cmd_name* with its examples in the help; None when it does not exist."""
        if cmd_name not in self._modules:
            return None
        if cmd_name not in self.commands:
            module, _, function = self._modules[cmd_name].partition(":")
            command: click.Command = getattr(import_module(f"{_PACKAGE}.{module}"), function)
            add_examples(f"{self._prefix}{cmd_name}", command)
            self.add_command(command, cmd_name)
        return self.commands[cmd_name]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with the first sentence of their docstrings, without importing them."""
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.stub(name).get_short_help_str(limit)) for name in names])

    def stub(self, name: str) -> click.Command:
        """Return a command with only the docstring of the command *name*."""
        module, _, function = self._modules[name].partition(":")
        source = Path(__file__).parent.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
        functions = (item for item in ast.parse(source).body if isinstance(item, ast.FunctionDef))
        return click.Command(name, help=next(ast.get_docstring(item) for item in functions if item.name == function))
