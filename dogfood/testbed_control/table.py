"""The table that a testbed fills: Parquet files by DuckDB, or Hive by Spark."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dogfood.testbed_control.child_processes import run_module
from dogfood.testbed_control.services import Testbed


class TableKind(StrEnum):
    """Kind of table."""

    PARQUET = "parquet"
    HIVE = "hive"


@dataclass(frozen=True, slots=True)
class TableChoice:
    """The chosen table.

    Attributes:
        kind: Parquet files or Hive.
        metastore: address of a Hive metastore; empty for one embedded in the testbed.
        warehouse: folder or URI of Hive's tables; empty for a folder in the testbed.
    """

    kind: TableKind = TableKind.PARQUET
    metastore: str = ""
    warehouse: str = ""

    def folder(self, testbed: Testbed) -> Path:
        """Return the parent folder of the table's folder."""
        if self.kind is TableKind.PARQUET:
            return testbed.table_dir
        return Path(self.warehouse) if self.warehouse else state_dir(testbed) / "warehouse"

    def fill(self, testbed: Testbed) -> str:
        """Copy new events of the stream into the table; return a summary as JSON.

        Raises:
            DogfoodError: the stream is in a Kafka that does not run.
            KitFaultError: the ingestion failed.
        """
        source = testbed.stream_arguments()
        if self.kind is TableKind.PARQUET:
            to = ("--table-dir", str(testbed.table_dir))
            return run_module("ingestion", "testbed.table.ingest", *source, *to, *testbed.fault_arguments)
        folders = ("--state", str(state_dir(testbed)), "--warehouse", self.warehouse or str(self.folder(testbed)))
        metastore = ("--metastore", self.metastore) if self.metastore else ()
        return run_module("ingestion by Spark", "testbed.table.hive", *source, *folders, *metastore, "--short")


#: The default table of a testbed.
OWN_TABLE = TableChoice()


def state_dir(testbed: Testbed) -> Path:
    """Return the folder of Spark's checkpoints and the embedded metastore."""
    return testbed.folder / "hive"
