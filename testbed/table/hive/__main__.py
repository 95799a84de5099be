"""`python -m testbed.table.hive`: ingest the stream into `event.product_metrics_web_base` with Spark.

One job runs at a time: a second job waits for the first. A job can be killed and run again.
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

#: Seconds to wait for the lock: a running job may take long, and the Java process of a killed one ends a little later.
_WAIT_S = 600.0


def ingest(options: argparse.Namespace) -> Summary:
    """Ingest new events into the table; return the counts."""
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
            # An incomplete metastore is useless, and everything in it can be restored from the warehouse.
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
    """Return a lock that Spark's Java process holds, so that it lasts until that process cannot write any more."""
    jvm = spark._jvm
    assert jvm is not None  # noqa: S101 (a local session always has one)
    channel = jvm.java.io.RandomAccessFile(str(path), "rw").getChannel()
    deadline = time.monotonic() + _WAIT_S
    while (lock := channel.tryLock()) is None:
        if time.monotonic() > deadline:
            raise KitFaultError(
                f"another job has been filling the table for {_WAIT_S:.0f} s: find the process that holds {path}"
            )
        time.sleep(0.2)
    return lock


def _parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed.table.hive", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--stream-dir", type=Path, help="folder of the stream's segments")
    source.add_argument("--kafka", metavar="BOOTSTRAP", help="Kafka's bootstrap servers")
    parser.add_argument("--stream", default="product_metrics.web_base", help="name of the stream")
    parser.add_argument("--state", type=Path, required=True, help="folder for checkpoints and the embedded metastore")
    parser.add_argument("--warehouse", required=True, help="folder or URI of the tables")
    parser.add_argument("--metastore", default="", help="thrift://host:port; default: one embedded under --state")
    parser.add_argument("--memory", default="1g", help="memory of Spark on this machine")
    parser.add_argument("--short", action="store_true", help="start faster, at the cost of throughput")
    parser.add_argument("--look-back-days", type=int, default=0,
                        metavar="DAYS", help="compare ids with the last DAYS days only; default: all")  # fmt: skip
    parser.add_argument(
        "--jar",
        type=Path,
        action="append",
        default=[],
        help="additional jar for Spark, repeatable; default with --kafka: the jars that read Kafka",
    )
    return parser.parse_args(words)


def main() -> None:
    """Read the options, ingest, and print the counts as one line of JSON."""
    options = _parse()
    try:
        summary = ingest(options)
    except (PySparkException, Py4JError) as error:
        message = str(error).strip().splitlines()
        raise KitFaultError(f"Spark failed: {message[0] if message else type(error).__name__}") from error
    print(orjson.dumps(summary._asdict()).decode())


if __name__ == "__main__":
    guarded(main)
