"""Options that several commands share, and options that still accept an old name."""

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
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


class RenamedOption(click.Option):
    """An option that also accepts its old names; neither help, completion nor documentation shows those.

    Args:
        old: the old names, as in `--floor` or `--probe/--no-probe`.
    """

    def __init__(self, *names: Any, old: str, **settings: Any) -> None:  # noqa: ANN401 (click's)
        super().__init__(*names, **settings)
        on, _, off = old.partition("/")
        self._old_names = [on], [off] if off else []

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:  # noqa: ANN401 (click's parser class is deprecated)
        """Add the option under its names, then under its old ones."""
        super().add_to_parser(parser, ctx)
        names = self.opts, self.secondary_opts
        self.opts, self.secondary_opts = self._old_names
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts, self.secondary_opts = names


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds all of *options*, in the order in which they are named."""

    def add(command: Any) -> Any:  # noqa: ANN401 (click accepts functions and commands)
        for option in reversed(options):
            command = option(command)
        return command

    return add


def read_fidelities(_: click.Context, __: click.Parameter, value: str) -> tuple[Fidelity, ...]:
    """Return the fidelities in *value*, a list with commas, without repetition and in their usual order."""
    try:
        names = {Fidelity(word.strip()) for word in value.split(",")}
    except ValueError:
        raise click.BadParameter(f"name one or more of {', '.join(Fidelity)}, joined by commas") from None
    return tuple(fidelity for fidelity in Fidelity if fidelity in names)


def complete_run(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of runs that begin with *incomplete*, the newest first, for shell completion."""
    # Imported here: a manifest imports the assignment, which needs numpy.
    from run_record.manifest import FILE_NAME
    from run_record.run_folder import LATEST

    runs = context.params.get("runs") or Path("runs")
    folders = sorted((path.parent.name for path in runs.glob(f"*/{FILE_NAME}")), reverse=True)
    names = [LATEST, *(name for name in folders if name != LATEST)] if folders else []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
