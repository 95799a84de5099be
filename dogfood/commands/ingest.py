"""`dogfood ingest`: from the stream into the table."""

from pathlib import Path

import click

from dogfood.commands.options import TESTBED, together
from dogfood.console import say
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.table import TableChoice, TableKind

#: The options that say which table is filled; `chosen_table` reads them.
table_options = together(
    click.option("--table", type=click.Choice([str(kind) for kind in TableKind]),
                 default=TableKind.PARQUET.value, show_default=True,
                 help="What makes the table: DuckDB, or Spark for Hive (Java 17)."),
    click.option("--metastore", default="", metavar="URI",
                 help="A Hive metastore, thrift://host:9083; default: one embedded in the testbed."),
    click.option("--warehouse", default="", metavar="URI",
                 help="Where Hive's tables are made; default: in the testbed."),
)  # fmt: skip


def chosen_table(table: str, metastore: str, warehouse: str) -> TableChoice:
    """Return the choice that the options make. Raises UsageError when they contradict each other."""
    if table != TableKind.HIVE and (metastore or warehouse):
        raise click.UsageError("--metastore and --warehouse are Hive's: add --table hive")
    if metastore and not warehouse:
        raise click.UsageError("--metastore needs --warehouse: where that metastore's tables are to be made")
    return TableChoice(TableKind(table), metastore, warehouse)


@click.command()
@TESTBED
@table_options
def ingest(folder: Path, table: str, metastore: str, warehouse: str) -> None:
    """Bring what is new in the stream into the table. Safe to run again, and to kill."""
    say(chosen_table(table, metastore, warehouse).fill(Testbed(folder)))
