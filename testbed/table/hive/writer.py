"""Lines of the stream into rows of the table: once an id, whatever happened before.

A batch is added in one Spark job. Its files are complete when they become visible, but a job that is killed while it
commits leaves some of them: so rows are always compared with the ids that the table has, and before the first batch
what such a job left is cleared up and partitions that the metastore was not told of are found again.
"""

import time

from py4j.java_gateway import JavaObject
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.window import Window

from contracts.table import PARTITIONS, TABLE, column_name, columns, structure
from testbed.table.hive.layout import ARRIVALS, NAME, create, event_type
from testbed.table.ingest_summary import Summary

#: Where Spark puts a job's files until it commits, in the table's folder.
_UNFINISHED = ("_temporary", ".spark-staging*", ".hive-staging*")


#: Spark takes less than a date for a time as well, and fills in today.
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]"


class HiveTable:
    """The table, by a session.

    Args:
        spark: session with Hive support.
        location: folder or URI that the tables are made in when they are not there yet.
        look_back_days: how old rows may be that are doubled; 0 compares with the whole table.
    """

    def __init__(self, spark: SparkSession, location: str, look_back_days: int = 0) -> None:
        self._spark = spark
        self._location = location
        self._look_back_days = look_back_days

    def prepare(self) -> None:
        """Make the tables unless they are there, and clear up after a job that was killed."""
        create(self._spark, self._location)
        for table in (TABLE, f"{TABLE}_arrivals"):
            self._remove_unfinished(f"{self._location}/{table}")
        self._spark.sql(f"MSCK REPAIR TABLE {NAME}")
        self._spark.catalog.refreshTable(NAME)

    def add(self, lines: DataFrame) -> Summary:
        """Add the events of *lines*: `datacenter`, `line` (bytes) and `topic_ms`, when the topic had it, or null."""
        told = _told_apart(lines).persist()
        try:
            counts = told.agg(
                f.count("*").alias("read"),
                f.count_if("usable").alias("usable"),
                f.count_if(f.expr("usable AND canary")).alias("canary"),
            ).first()
            # Cut off from what it was made of: the table it was compared with is about to change.
            fresh = self._fresh(told.where("usable AND NOT canary")).localCheckpoint()
        finally:
            told.unpersist()
        written = fresh.count()
        hours = fresh.select(*PARTITIONS).distinct().count()
        if written:
            self._insert(fresh)
        assert counts is not None  # noqa: S101 (an aggregate without groups has one row)
        rows = counts["usable"] - counts["canary"]
        broken = counts["read"] - counts["usable"]
        return Summary(counts["read"], written, rows - written, counts["canary"], broken, hours)

    def _fresh(self, usable: DataFrame) -> DataFrame:
        """Return one row an id, the earliest, of those whose id the table does not have."""
        first = Window.partitionBy("id").orderBy("dt", "datacenter")
        known = self._known().select(f.col("meta.id").alias("id")).where("id IS NOT NULL").distinct()
        return usable.withColumn("place", f.row_number().over(first)).where("place = 1").join(known, "id", "left_anti")

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
        # A file an hour and batch, in the order in which the hour is read.
        filed = rows.repartition(*PARTITIONS).sortWithinPartitions(*PARTITIONS, "meta.dt", "meta.id")
        filed.select(*columns(), *PARTITIONS).write.insertInto(NAME)
        arrived = f.lit(int(time.time() * 1000)).cast("bigint")
        fresh.select("id", "topic_ms", arrived).coalesce(1).write.insertInto(ARRIVALS)

    def _remove_unfinished(self, folder: str) -> None:
        jvm = self._spark._jvm
        assert jvm is not None  # noqa: S101 (a session of this process has one)
        path = jvm.org.apache.hadoop.fs.Path(folder)
        files: JavaObject = path.getFileSystem(self._spark._jsc.hadoopConfiguration())
        for pattern in _UNFINISHED:
            for status in files.globStatus(jvm.org.apache.hadoop.fs.Path(path, pattern)) or ():
                files.delete(status.getPath(), True)


def _told_apart(lines: DataFrame) -> DataFrame:
    """Return *lines* as events, with what they are filed by, and whether they can be rows and are canaries."""
    text = f.col("line").cast("string")
    # An object and nothing else: Spark reads as far as it needs, and takes an array's first element for the whole.
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
    moment = {name: f.expr(f"CAST({name}(at) AS BIGINT)") for name in ("year", "month", "day", "hour")}
    return named.withColumn("usable", f.expr("whole AND id IS NOT NULL AND at IS NOT NULL")).withColumns(moment)
