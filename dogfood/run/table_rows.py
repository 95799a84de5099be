"""The rows of one run: fill the testbed's table, and copy the run's rows into its folder."""

import time
from pathlib import Path

from analysis.summaries.loss_location import STREAMS
from common.errors import DogfoodError
from dogfood.testbed_control.child_processes import run_module
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.table import OWN_TABLE, TableChoice
from run_record.manifest import Manifest
from run_record.run_folder import OBSERVED

#: Rows are read from the time of the traffic and this much before and after it, in milliseconds.
_MARGIN_MS = 60_000

#: Seconds that hasty events may take from their response into the stream before the table is filled.
SETTLE_S = 1.0


def ingest_run(testbed: Testbed, folder: Path) -> None:
    """Fill the testbed's table and copy the rows of the run in *folder* into it.

    Raises:
        DogfoodError: the run was sent elsewhere, or the testbed does not run.
        KitFaultError: filling or reading the table failed.
    """
    intake, own = Manifest.read(folder).target["intake"], testbed.url("intake")
    if own is None:
        raise DogfoodError(
            f"the testbed in {testbed.folder} does not run; start it with `dogfood up`, or give --observed"
        )
    if intake != f"{own}/v1/events":
        raise DogfoodError(f"the run was sent to {intake}, not to the testbed in {testbed.folder}; give --observed")
    time.sleep(SETTLE_S)
    OWN_TABLE.fill(testbed)
    observe(testbed, folder)


def observe(testbed: Testbed, folder: Path, table: TableChoice = OWN_TABLE) -> None:
    """Copy the rows of the run in *folder* from *table* into it. Raises KitFaultError."""
    manifest = Manifest.read(folder)
    since = (manifest.started_ms or 0) - _MARGIN_MS
    until = (manifest.finished_ms or int(time.time() * 1000)) + _MARGIN_MS
    source = (*testbed.stream_arguments(), "--table-dir", str(table.folder(testbed)))
    span = ("--from-ms", str(since), "--until-ms", str(until))
    to: tuple[str, ...] = ("--to", str(folder / OBSERVED))
    if not testbed.stream.bootstrap:
        # An external Kafka may hold more events than can be read.
        to += ("--streams", str(folder / STREAMS))
    run_module("reading the table", "testbed.table.table_export", *source, *span, *to)
