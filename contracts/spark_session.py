"""Open a Spark session with Hive support, on this machine or under `spark-submit`."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pyspark.sql import SparkSession

from common.errors import KitFaultError

#: Settings of a session on this machine; under `spark-submit` its caller chooses them.
_LOCAL = {
    "spark.master": "local[2]",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
}

#: Settings of every session, because the content of the table depends on them.
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


_QUICK_START = " -XX:TieredStopAtLevel=1"


class SessionOptions(NamedTuple):
    """Options of a session.

    Attributes:
        state: folder for the embedded metastore and Spark's temporary files.
        metastore: address of a Hive metastore, `thrift://host:9083`; empty for an embedded one under *state*.
        memory: memory of the session on this machine, as in `2g`.
        jars: additional JAR files.
        short: use Java's quick compiler only, which pays for jobs of a few seconds.
    """

    state: Path
    metastore: str = ""
    memory: str = "1g"
    jars: Sequence[Path] = ()
    short: bool = False


def open_session(options: SessionOptions, name: str = "dogfood") -> SparkSession:
    """Return a session with Hive support, or the existing session of this process.

    Raises:
        KitFaultError: Spark does not start, most often because Java is missing.
    """
    options.state.mkdir(parents=True, exist_ok=True)
    builder = SparkSession.builder.appName(name).enableHiveSupport()
    for key, value in session_config(options).items():
        builder = builder.config(key, value)
    if not is_spark_submit():
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        # Without this, Spark resolves the host's name, which may fail.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    # Callers print errors in one line; this logger would print each with its Java stack.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    try:
        return builder.getOrCreate()
    except Exception as error:
        lines = str(error).strip().splitlines()
        raise KitFaultError(
            f"Spark does not start ({lines[0] if lines else type(error).__name__}): it needs Java 17 or newer, "
            "for instance Debian's default-jre-headless"
        ) from error


def is_spark_submit() -> bool:
    """Return whether `spark-submit` runs this process, and so has chosen the cluster and resources."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def session_config(options: SessionOptions) -> Mapping[str, str]:
    """Return the settings of a session by Spark's names."""
    config = dict(_ALWAYS)
    if not is_spark_submit():
        java_options = _QUICK_START if options.short else ""
        config |= _LOCAL | {
            "spark.driver.memory": options.memory,
            "spark.local.dir": str(options.state / "spark"),
            # Derby writes its log there too.
            "spark.driver.extraJavaOptions": f"-Dderby.system.home={options.state}{java_options}",
        }
    if options.jars:
        config["spark.jars"] = ",".join(str(jar) for jar in options.jars)
    if options.metastore:
        config["spark.hadoop.hive.metastore.uris"] = options.metastore
    else:
        database = options.state / METASTORE
        config |= {
            "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={database};create=true",
            "spark.hadoop.hive.metastore.schema.verification": "false",
            "spark.hadoop.datanucleus.schema.autoCreateAll": "true",
            "spark.sql.warehouse.dir": str(options.state / "databases"),
        }
    return config


#: Folder of the embedded metastore's database, under `SessionOptions.state`.
METASTORE = "metastore_db"
