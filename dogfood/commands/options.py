"""Options that several commands have."""

from pathlib import Path

import click

EXIT_CODES = (
    "Exit codes: 0 GO, 1 NO-GO, 2 wrong use, 3 INCONCLUSIVE, 4 INVALID (the generator or the kit was at fault)."
)

RUNS = click.option(
    "--runs", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), show_default=True,
    envvar="DOGFOOD_RUNS", help="Folder of the runs.",
)  # fmt: skip
AS_JSON = click.option("--json", "as_json", is_flag=True, help="For scripts.")
TESTBED = click.option(
    "--testbed", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path(".testbed"),
    show_default=True, envvar="DOGFOOD_TESTBED", help="Folder of the testbed's files.",
)  # fmt: skip
