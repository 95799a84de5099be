"""Writes lines of the stream to the Hive table, one row per event id, also after a killed job.

A batch is added in one Spark job. Its files are complete when they become visible, but a job that is killed while it
commits leaves some of them. Therefore rows are always compared with the ids in the table. Before the first batch, the
files of a killed job are removed and unregistered partitions are added to the metastore.
"""

import time

from py4j.java_gateway import JavaObject
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.window import Window

from contracts.table import PARTITIONS, TABLE, column_name, columns, structure
from testbed.table.hive.layout import ARRIVALS, NAME, create, event_type
from testbed.table.ingest_summary import Summary

#: Names of the folders in which Spark keeps a job's files until the commit.
_UNFINISHED = ("_temporary", ".spark-staging*", ".hive-staging*")


#: Start of a valid time: Spark also casts incomplete dates and fills in today.
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]"


class HiveTable:
    """The table in Hive, as a Spark session writes it.

    Args:
        spark: Spark session with Hive support.
        location: folder or URI for new tables.
        look_back_days: days of the table that are searched for duplicate ids; 0 searches the whole table.
    """

    def __init__(self, spark: SparkSession, location: str, look_back_days: int = 0) -> None:
        self._spark = spark
        self._location = location
        self._look_back_days = look_back_days

    def prepare(self) -> None:
        """Create missing tables and remove the files of a killed job."""
        create(self._spark, self._location)
        for table in (TABLE, f"{TABLE}_arrivals"):
            self._remove_unfinished(f"{self._location}/{table}")
        self._spark.sql(f"MSCK REPAIR TABLE {NAME}")
        self._spark.catalog.refreshTable(NAME)

    def add(self, lines: DataFrame) -> Summary:
        """Add the events in *lines*, with the columns `datacenter`, `line` (bytes) and `topic_ms` (nullable)."""
        events = _classified(lines).persist()
        try:
            counts = events.agg(
                f.count("*").alias("read"),
                f.count_if("usable").alias("usable"),
                f.count_if(f.expr("usable AND canary")).alias("canary"),
            ).first()
            # A checkpoint, because the table that it was compared with is about to change.
            fresh = self._fresh(events.where("usable AND NOT canary")).localCheckpoint()
        finally:
            events.unpersist()
        written = fresh.count()
        hours = fresh.select(*PARTITIONS).distinct().count()
        if written:
            self._insert(fresh)
        assert counts is not None  # noqa: S101 (an aggregate without groups has one row)
        rows = counts["usable"] - counts["canary"]
        broken = counts["read"] - counts["usable"]
        return Summary(counts["read"], written, rows - written, counts["canary"], broken, hours)

    def _fresh(self, usable: DataFrame) -> DataFrame:
        """Return the earliest row of each id that the table does not have."""
        first = Window.partitionBy("id").orderBy("dt", "datacenter")
        known = self._known().select(f.col("meta.id").alias("id")).where("id IS NOT NULL").distinct()
        ranked = usable.withColumn("id_rank", f.row_number().over(first))
        return ranked.where("id_rank = 1").join(known, "id", "left_anti")

    def _known(self) -> DataFrame:
        table = self._spark.table(NAME)
        if not self._look_back_days:
            return table
        day = f.expr(f"date_sub(current_date(), {self._look_back_days:d})")
        oldest = f.year(day) * 10000 + f.month(day) * 100 + f.dayofmonth(day)
        return table.where(f.expr("year * 10000 + month * 100 + day") >= oldest)

    def _insert(self, fresh: DataFrame) -> None:
        events = [f.col(f"event.`{name}`").alias(column_name(name)) for name in structure()]
        rows = fresh.select(*events, *PARTITIONS)
        # One file per hour and batch, sorted as it is read.
        sorted_rows = rows.repartition(*PARTITIONS).sortWithinPartitions(*PARTITIONS, "meta.dt", "meta.id")
        sorted_rows.select(*columns(), *PARTITIONS).write.insertInto(NAME)
        table_ms = f.lit(int(time.time() * 1000)).cast("bigint")
        fresh.select("id", "topic_ms", table_ms).coalesce(1).write.insertInto(ARRIVALS)

    def _remove_unfinished(self, folder: str) -> None:
        jvm = self._spark._jvm
        assert jvm is not None  # noqa: S101 (a local session always has one)
        path = jvm.org.apache.hadoop.fs.Path(folder)
        files: JavaObject = path.getFileSystem(self._spark._jsc.hadoopConfiguration())
        for pattern in _UNFINISHED:
            for status in files.globStatus(jvm.org.apache.hadoop.fs.Path(path, pattern)) or ():
                files.delete(status.getPath(), True)


def _classified(lines: DataFrame) -> DataFrame:
    """Return *lines* as events with partition values, and with the flags `usable` and `canary`."""
    text = f.col("line").cast("string")
    # A single object: Spark ignores what follows it, and takes the first element of an array.
    whole = (
        f.ltrim(text).startswith("{")
        & f.is_valid_utf8(text)
        & (f.json_array_length(f.concat(f.lit("["), text, f.lit("]"))) == 1)
    )
    parsed = lines.select(
        "datacenter", "topic_ms", f.coalesce(whole, f.lit(False)).alias("whole"),
        f.from_json(text, event_type()).alias("event"),
    )  # fmt: skip
    named = parsed.select(
        "*",
        f.col("event.meta.id").alias("id"),
        f.col("event.meta.dt").alias("dt"),
        (f.coalesce(f.col("event.meta.domain"), f.lit("")) == "canary").alias("canary"),
        f.expr(f"CASE WHEN event.meta.dt RLIKE '{_DATE}' THEN try_cast(event.meta.dt AS TIMESTAMP) END").alias("at"),
    )
    parts = {name: f.expr(f"CAST({name}(at) AS BIGINT)") for name in ("year", "month", "day", "hour")}
    return named.withColumn("usable", f.expr("whole AND id IS NOT NULL AND at IS NOT NULL")).withColumns(parts)
