"""Options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from run_record.roster import Fidelity

EXIT_CODES = (
    "Exit codes: 0 GO, 1 NO-GO, 2 wrong use, 3 INCONCLUSIVE, 4 INVALID (the generator or the kit was at fault)."
)

RUNS = click.option(
    "--runs", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), show_default=True,
    envvar="DOGFOOD_RUNS", show_envvar=True, help="Folder of the runs.",
)  # fmt: skip
TESTBED = click.option(
    "--testbed", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path(".testbed"),
    show_default=True, envvar="DOGFOOD_TESTBED", show_envvar=True, help="Folder of the testbed's files.",
)  # fmt: skip
AS_JSON = click.option("--json", "as_json", is_flag=True, help="For scripts.")


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds all of *options*, in the order in which they are named."""

    def add(command: Any) -> Any:  # noqa: ANN401 (a function, or the command it has become: click takes both)
        for option in reversed(options):
            command = option(command)
        return command

    return add


def read_fidelities(_: click.Context, __: click.Parameter, value: str) -> tuple[Fidelity, ...]:
    """Return the fidelities that *value* names, joined by commas, each once and in their order."""
    try:
        asked = {Fidelity(word.strip()) for word in value.split(",")}
    except ValueError:
        raise click.BadParameter(f"name one or more of {', '.join(Fidelity)}, joined by commas") from None
    return tuple(fidelity for fidelity in Fidelity if fidelity in asked)


def complete_run(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of runs that begin with *incomplete*, the newest first, for a shell that completes them."""
    # Imported here: a manifest knows assignment, which needs numpy.
    from run_record.manifest import FILE_NAME
    from run_record.run_folder import LATEST

    runs = context.params.get("runs") or Path("runs")
    found = sorted((path.parent.name for path in runs.glob(f"*/{FILE_NAME}")), reverse=True)
    names = [LATEST, *(name for name in found if name != LATEST)] if found else []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
