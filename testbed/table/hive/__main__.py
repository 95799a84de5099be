"""`python -m testbed.table.hive`: from the stream into `event.product_metrics_web_base`, by Spark.

One job at a time: a second one waits for the first. Safe to kill and to run again.
"""

import argparse
import shutil
import time
from pathlib import Path

import orjson
from py4j.java_gateway import JavaObject
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from common.errors import KitFaultError
from contracts.spark_session import METASTORE, SessionOptions, is_spark_submit, open_session
from testbed.http_server import guarded
from testbed.maven import jars, java
from testbed.table.hive.sources import add_segments, add_topics
from testbed.table.hive.writer import HiveTable
from testbed.table.ingest_summary import Summary

#: A job that was killed may leave its Java process for a moment; one that works may take long.
_WAIT_S = 600.0


def ingest(options: argparse.Namespace) -> Summary:
    """Bring what is new into the table; return what was done."""
    state: Path = options.state.resolve()
    if not is_spark_submit():
        java()
    if options.kafka and not is_spark_submit() and not options.jar:
        options.jar = sorted(jars(Path(__file__).with_name("pom.xml")).glob("*.jar"))
    spark = open_session(SessionOptions(state, options.metastore, options.memory, tuple(options.jar), options.short))
    lock = _lock(spark, state / "lock")
    try:
        ready = state / "metastore.ready"
        if not options.metastore and not ready.exists():
            # Half a metastore is of no use, and nothing is in it that is not in the warehouse.
            shutil.rmtree(state / METASTORE, ignore_errors=True)
        warehouse = options.warehouse if ":" in options.warehouse else str(Path(options.warehouse).resolve())
        table = HiveTable(spark, warehouse, options.look_back_days)
        table.prepare()
        ready.touch()
        if options.kafka:
            return add_topics(spark, options.kafka, options.stream, state / "topics", table.add)
        return add_segments(spark, options.stream_dir, options.stream, state / "segments.json", table.add)
    finally:
        lock.release()
        spark.stop()


def _lock(spark: SparkSession, path: Path) -> JavaObject:
    """Return a lock that Spark's Java process holds, so that it lasts as long as anything can be written."""
    jvm = spark._jvm
    assert jvm is not None  # noqa: S101 (a session of this process has one)
    channel = jvm.java.io.RandomAccessFile(str(path), "rw").getChannel()
    deadline = time.monotonic() + _WAIT_S
    while (found := channel.tryLock()) is None:
        if time.monotonic() > deadline:
            raise KitFaultError(
                f"another job has been filling the table for {_WAIT_S:.0f} seconds: see who holds {path}"
            )
        time.sleep(0.2)
    return found


def _parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed.table.hive", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--stream-dir", type=Path, help="folder of the stream's segments")
    source.add_argument("--kafka", metavar="BOOTSTRAP", help="address of a broker")
    parser.add_argument("--stream", default="product_metrics.web_base")
    parser.add_argument("--state", type=Path, required=True, help="folder for checkpoints and the embedded metastore")
    parser.add_argument("--warehouse", required=True, help="folder or URI that the tables are made in")
    parser.add_argument("--metastore", default="", help="thrift://host:port; default: one embedded under --state")
    parser.add_argument("--memory", default="1g", help="of Spark on this machine")
    parser.add_argument("--short", action="store_true", help="start sooner, work slower")
    parser.add_argument("--look-back-days", type=int, default=0,
                        help="compare ids with so many days of the table only; default: all")  # fmt: skip
    parser.add_argument(
        "--jar",
        type=Path,
        action="append",
        default=[],
        help="to load besides Spark's own, repeatable; default: what reads Kafka, if that is asked for",
    )
    return parser.parse_args(words)


def main() -> None:
    """Read the options, ingest, and print what was done as one line of JSON."""
    options = _parse()
    try:
        summary = ingest(options)
    except (PySparkException, Py4JError) as error:
        said = str(error).strip().splitlines()
        raise KitFaultError(f"Spark failed: {said[0] if said else type(error).__name__}") from error
    print(orjson.dumps(summary._asdict()).decode())


if __name__ == "__main__":
    guarded(main)
