"""The table's columns as Spark and Hive write them, and the table in the metastore."""

from collections.abc import Mapping

from pyspark.sql import SparkSession

from contracts.table import ARRIVALS as ARRIVALS_TABLE
from contracts.table import PARTITIONS, TABLE, column_name, structure

DATABASE = "event"

#: The table's name for people who query it.
NAME = f"{DATABASE}.{TABLE}"

#: Likewise, of when each row reached topic and table.
ARRIVALS = f"{DATABASE}.{ARRIVALS_TABLE}"

_TYPES = {"VARCHAR": "STRING", "BIGINT": "BIGINT", "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN"}

_PARTITION_TYPES = {"datacenter": "STRING"}


def event_type() -> str:
    """Return the type of an event's JSON as a Spark struct; members are called as in the event."""
    members = ", ".join(f"`{name}`: {_type(kind)}" for name, kind in structure().items())
    return f"STRUCT<{members}>"


def create(spark: SparkSession, location: str) -> None:
    """Make the database and both tables, unless they are there.

    Args:
        spark: session with Hive support.
        location: folder or URI that the tables' own folders are in; those of tables that exist stay where they are.
    """
    spark.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    columns = ", ".join(f"`{column_name(name)}` {_type(kind)}" for name, kind in structure().items())
    partitions = ", ".join(f"{name} {_PARTITION_TYPES.get(name, 'BIGINT')}" for name in PARTITIONS)
    spark.sql(
        f"CREATE TABLE IF NOT EXISTS {NAME} ({columns}) PARTITIONED BY ({partitions}) "
        f"STORED AS PARQUET LOCATION '{location}/{TABLE}'"
    )
    spark.sql(
        f"CREATE TABLE IF NOT EXISTS {ARRIVALS} (meta_id STRING, topic_ms BIGINT, table_ms BIGINT) "
        f"STORED AS PARQUET LOCATION '{location}/{ARRIVALS_TABLE}'"
    )


def _type(kind: object) -> str:
    if isinstance(kind, str):
        # A map's type is called the same in both.
        return _TYPES.get(kind) or kind.replace("MAP(VARCHAR, VARCHAR)", "MAP<STRING, STRING>")
    if isinstance(kind, list):
        return f"ARRAY<{_type(kind[0])}>"
    if isinstance(kind, Mapping):
        return "STRUCT<{}>".format(", ".join(f"`{name}`: {_type(member)}" for name, member in kind.items()))
    raise TypeError(kind)
