"""A Spark session with Hive support: on this machine, or where `spark-submit` runs it."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pyspark.sql import SparkSession

from common.errors import KitFaultError

#: What a session asks for on one machine; under `spark-submit` that decides.
_LOCAL = {
    "spark.master": "local[2]",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
}

#: What the table's content depends on, wherever the job runs.
_ALWAYS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.session.timeZone": "UTC",
    "spark.hadoop.hive.exec.dynamic.partition": "true",
    "spark.hadoop.hive.exec.dynamic.partition.mode": "nonstrict",
    "spark.hadoop.hive.exec.max.dynamic.partitions": "10000",
    # A job's files become visible when the job commits, not when a task does.
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "1",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.hive.gatherFastStats": "false",
    "spark.hadoop.hive.stats.autogather": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


_SHORT = " -XX:TieredStopAtLevel=1"


class Where(NamedTuple):
    """Where a session runs and what it knows.

    Attributes:
        state: folder for the embedded metastore and for what Spark puts aside.
        metastore: address of a Hive metastore, `thrift://host:9083`; empty for an embedded one under *state*.
        memory: of the session on this machine, as in `2g`.
        jars: to load besides Spark's own.
        short: let Java compile quickly rather than well: a job of seconds is over before that would pay.
    """

    state: Path
    metastore: str = ""
    memory: str = "1g"
    jars: Sequence[Path] = ()
    short: bool = False


def open_session(where: Where, name: str = "dogfood") -> SparkSession:
    """Return a session with Hive support, or the process's own if there is one.

    Raises:
        KitFaultError: Spark does not start, for want of Java above all.
    """
    where.state.mkdir(parents=True, exist_ok=True)
    builder = SparkSession.builder.appName(name).enableHiveSupport()
    for key, value in settings(where).items():
        builder = builder.config(key, value)
    if not submitted():
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        # Without this Spark looks up the host's name, which need not resolve.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    # Errors are told in one line by whoever asked; this logger prints each with all that was on Java's stack.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    try:
        return builder.getOrCreate()
    except Exception as error:
        said = str(error).strip().splitlines()
        raise KitFaultError(
            f"Spark does not start ({said[0] if said else type(error).__name__}): it needs Java 17 or newer, "
            "for instance Debian's default-jre-headless"
        ) from error


def submitted() -> bool:
    """Return whether `spark-submit` runs this process: it has decided then where Spark runs, and with what."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def settings(where: Where) -> Mapping[str, str]:
    """Return the session's settings, by Spark's names for them."""
    found = dict(_ALWAYS)
    if not submitted():
        found |= _LOCAL | {
            "spark.driver.memory": where.memory,
            "spark.local.dir": str(where.state / "spark"),
            # Derby's log goes there too.
            "spark.driver.extraJavaOptions": f"-Dderby.system.home={where.state}{_SHORT if where.short else ''}",
        }
    if where.jars:
        found["spark.jars"] = ",".join(str(jar) for jar in where.jars)
    if where.metastore:
        found["spark.hadoop.hive.metastore.uris"] = where.metastore
    else:
        database = where.state / METASTORE
        found |= {
            "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={database};create=true",
            "spark.hadoop.hive.metastore.schema.verification": "false",
            "spark.hadoop.datanucleus.schema.autoCreateAll": "true",
            "spark.sql.warehouse.dir": str(where.state / "databases"),
        }
    return found


#: Folder of the embedded metastore's database, under the state's.
METASTORE = "metastore_db"
