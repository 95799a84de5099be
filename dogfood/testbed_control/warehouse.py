"""Tables that are queried in place: in the testbed's Hive, in another metastore, or in Trino."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from analysis.engines.base import EngineError
from analysis.engines.warehouse import Warehouse
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.table import state_dir

#: Name of the table in Hive.
TABLE = "event.product_metrics_web_base"


class EngineKind(StrEnum):
    """Engine of the analysis' queries."""

    DUCKDB = "duckdb"
    SPARK = "spark"
    TRINO = "trino"


@dataclass(frozen=True, slots=True)
class WarehouseOptions:
    """Options of a table in a warehouse.

    Attributes:
        engine: query engine; DuckDB reads files and has no warehouse.
        testbed: testbed with the Hive, unless *metastore* names another.
        table: name of the table.
        since, until: first and last hour; None for the run's.
        metastore: address of a Hive metastore.
    """

    engine: EngineKind
    testbed: Testbed
    table: str = TABLE
    since: datetime | None = None
    until: datetime | None = None
    metastore: str = ""


@contextmanager
def open_warehouse(options: WarehouseOptions) -> Iterator[Warehouse | None]:
    """Open the warehouse until the block ends; None with DuckDB.

    Raises:
        EngineError: the engine's package is not installed, a setting is missing, or it does not answer.
        KitFaultError: Spark does not start.
    """
    if options.engine is EngineKind.DUCKDB:
        yield None
    elif options.engine is EngineKind.SPARK:
        with _spark(options) as warehouse:
            yield warehouse
    else:
        with _trino(options) as warehouse:
            yield warehouse


@contextmanager
def _spark(options: WarehouseOptions) -> Iterator[Warehouse]:
    try:
        from analysis.engines.spark_engine import SparkEngine
        from contracts.spark_session import METASTORE, SessionOptions, is_spark_submit, open_session
    except ImportError:
        raise EngineError("Spark is not installed; pip install '.[spark]', and install Java 17") from None
    state = state_dir(options.testbed).resolve()
    if not (options.metastore or is_spark_submit() or (state / METASTORE).exists()):
        raise EngineError(
            f"{options.testbed.folder} has no Hive table; run `dogfood ingest --table hive`, or give --metastore"
        )
    session = open_session(SessionOptions(state, options.metastore, memory="2g"))
    engine = SparkEngine(session)
    try:
        arrivals = f"{options.table}_arrivals"
        existing = arrivals if session.catalog.tableExists(arrivals) else ""
        yield Warehouse(engine, options.table, existing, options.since, options.until)
    finally:
        engine.close()
        session.stop()


@contextmanager
def _trino(options: WarehouseOptions) -> Iterator[Warehouse]:
    try:
        from analysis.engines.trino_engine import TrinoEngine, TrinoOptions, connect
    except ImportError:
        raise EngineError("the Trino client and translator are not installed; pip install '.[trino]'") from None
    trino = TrinoOptions.from_environment()
    table = options.table if options.table.count(".") > 1 else f"{trino.catalog}.{options.table}"
    engine = TrinoEngine(connect(trino), trino.scratch)
    try:
        yield Warehouse(engine, table, "", options.since, options.until)
    finally:
        engine.close()
