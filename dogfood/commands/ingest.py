"""`dogfood ingest`: copy new events of the stream into the table."""

from pathlib import Path

import click

from dogfood.commands.options import TESTBED, together
from dogfood.console import say
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.table import TableChoice, TableKind

#: The options that choose the table; `chosen_table` reads them.
table_options = together(
    click.option("--table", type=click.Choice([str(kind) for kind in TableKind]),
                 default=TableKind.PARQUET.value, show_default=True,
                 help="Table to fill: Parquet files by DuckDB, or Hive by Spark (Java 17)."),
    click.option("--metastore", default="", metavar="URI", show_default="one embedded in the testbed",
                 help="Hive metastore, such as thrift://host:9083."),
    click.option("--warehouse", default="", metavar="URI", show_default="in the testbed",
                 help="Folder of Hive's tables."),
)  # fmt: skip


def chosen_table(table: str, metastore: str, warehouse: str) -> TableChoice:
    """Return the table that the options choose. Raises UsageError when they contradict each other."""
    if table != TableKind.HIVE and (metastore or warehouse):
        raise click.UsageError("--metastore and --warehouse need Hive; add --table hive")
    if metastore and not warehouse:
        raise click.UsageError("--metastore needs --warehouse, the folder of that metastore's tables")
    return TableChoice(TableKind(table), metastore, warehouse)


@click.command()
@TESTBED
@table_options
def ingest(folder: Path, table: str, metastore: str, warehouse: str) -> None:
    """Copy new events of the stream into the table; safe to repeat and to kill."""
    say(chosen_table(table, metastore, warehouse).fill(Testbed(folder)))
