"""`dogfood completion`: the script that lets a shell complete commands, options and names of runs."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from common.errors import DogfoodError

_PROGRAM, _VARIABLE = "dogfood", "_DOGFOOD_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")


@click.command(epilog="Exit codes: 0 printed, 2 the shell is not known.")
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Print the script that lets a SHELL (default: yours) complete commands, options and names of runs."""
    asked = shell or Path(os.environ.get("SHELL", "")).name
    if asked not in _SHELLS:
        raise DogfoodError(f"the shell {asked or 'of this session'!r} is not known: name one of {', '.join(_SHELLS)}")
    made = get_completion_class(asked)
    if made is None:
        raise DogfoodError(f"there is no completion for {asked}")
    root = context.find_root().command
    click.echo(made(root, {}, _PROGRAM, _VARIABLE).source())
