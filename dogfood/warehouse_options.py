"""Tables that are judged where they are: in the testbed's Hive, in a metastore's, or in a Trino's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from analysis.engines.base import EngineError
from analysis.engines.warehouse import Warehouse
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.table import state_dir

#: What Hive calls the table.
TABLE = "event.product_metrics_web_base"


class EngineKind(StrEnum):
    """What answers the analysis' questions."""

    DUCKDB = "duckdb"
    SPARK = "spark"
    TRINO = "trino"


@dataclass(frozen=True, slots=True)
class WarehouseOptions:
    """Which table, and how it is reached.

    Attributes:
        engine: DuckDB reads files, and no warehouse.
        testbed: whose Hive is meant, unless *metastore* says another.
        table: its name.
        since, until: the first and the last hour; None for those of the run.
        metastore: address of a Hive metastore.
    """

    engine: EngineKind
    testbed: Testbed
    table: str = TABLE
    since: datetime | None = None
    until: datetime | None = None
    metastore: str = ""


@contextmanager
def reached(options: WarehouseOptions) -> Iterator[Warehouse | None]:
    """Give the table while the block lasts; None with DuckDB.

    Raises:
        EngineError: the engine's package is not installed, what it needs is not said, or it does not answer.
        KitFaultError: Spark does not start.
    """
    if options.engine is EngineKind.DUCKDB:
        yield None
    elif options.engine is EngineKind.SPARK:
        with _spark(options) as found:
            yield found
    else:
        with _trino(options) as found:
            yield found


@contextmanager
def _spark(options: WarehouseOptions) -> Iterator[Warehouse]:
    try:
        from analysis.engines.spark_engine import SparkEngine
        from contracts.spark_session import METASTORE, Where, open_session, submitted
    except ImportError:
        raise EngineError("Spark is not installed: pip install '.[spark]', and Java 17") from None
    state = state_dir(options.testbed).resolve()
    if not (options.metastore or submitted() or (state / METASTORE).exists()):
        raise EngineError(
            f"{options.testbed.folder} has no Hive table: `dogfood ingest --table hive` fills it; or say --metastore"
        )
    session = open_session(Where(state, options.metastore, memory="2g"))
    engine = SparkEngine(session)
    try:
        arrivals = f"{options.table}_arrivals"
        known = arrivals if session.catalog.tableExists(arrivals) else ""
        yield Warehouse(engine, options.table, known, options.since, options.until)
    finally:
        engine.close()
        session.stop()


@contextmanager
def _trino(options: WarehouseOptions) -> Iterator[Warehouse]:
    try:
        from analysis.engines.trino_engine import TrinoEngine, TrinoOptions, connect
    except ImportError:
        raise EngineError("what translates queries for Trino is not installed: pip install '.[trino]'") from None
    asked = TrinoOptions.from_environment()
    table = options.table if options.table.count(".") > 1 else f"{asked.catalog}.{options.table}"
    engine = TrinoEngine(connect(asked), asked.scratch)
    try:
        yield Warehouse(engine, table, "", options.since, options.until)
    finally:
        engine.close()
