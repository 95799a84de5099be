"""The table that a testbed fills: Parquet files of its own, or Hive's, by Spark."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dogfood.testbed_control.modules import run_module
from dogfood.testbed_control.services import Testbed


class TableKind(StrEnum):
    """What the table is made by."""

    PARQUET = "parquet"
    HIVE = "hive"


@dataclass(frozen=True, slots=True)
class TableChoice:
    """The table that was asked for.

    Attributes:
        kind: files of the testbed's own, or Hive's.
        metastore: address of a Hive metastore; empty for one embedded in the testbed.
        warehouse: folder or URI of Hive's tables; empty for one in the testbed.
    """

    kind: TableKind = TableKind.PARQUET
    metastore: str = ""
    warehouse: str = ""

    def folder(self, testbed: Testbed) -> Path:
        """Return the folder that the table's own folder is in."""
        if self.kind is TableKind.PARQUET:
            return testbed.table_dir
        return Path(self.warehouse) if self.warehouse else state_dir(testbed) / "warehouse"

    def fill(self, testbed: Testbed) -> str:
        """Bring what is new in the stream into the table; return what was done, as JSON.

        Raises:
            DogfoodError: the stream is in a Kafka that does not run.
            KitFaultError: it failed.
        """
        source = testbed.stream_arguments()
        if self.kind is TableKind.PARQUET:
            to = ("--table-dir", str(testbed.table_dir))
            return run_module("ingestion", "testbed.table.ingest", *source, *to, *testbed.fault_arguments)
        where = ("--state", str(state_dir(testbed)), "--warehouse", self.warehouse or str(self.folder(testbed)))
        metastore = ("--metastore", self.metastore) if self.metastore else ()
        return run_module("ingestion by Spark", "testbed.table.hive", *source, *where, *metastore, "--short")


#: What a testbed fills unless something else is asked for.
OWN_TABLE = TableChoice()


def state_dir(testbed: Testbed) -> Path:
    """Return the folder of Spark's checkpoints and the embedded metastore."""
    return testbed.folder / "hive"
