"""`dogfood completion`: the script that lets a shell complete commands, options and names of runs."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from common.errors import DogfoodError

_PROGRAM, _VARIABLE = "dogfood", "_DOGFOOD_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")


@click.command(epilog="Exit codes: 0 printed, 2 unknown shell.")
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Print the script that lets a SHELL (default: yours) complete commands, options and names of runs."""
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in _SHELLS:
        raise DogfoodError(f"unknown shell {name or 'of this session'!r}; name one of {', '.join(_SHELLS)}")
    completer = get_completion_class(name)
    if completer is None:
        raise DogfoodError(f"click has no completion for {name}; name another shell")
    root = context.find_root().command
    click.echo(completer(root, {}, _PROGRAM, _VARIABLE).source())
