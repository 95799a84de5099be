"""Columns of the table in Spark's and Hive's types, and creation of the table in the metastore."""

from collections.abc import Mapping

from pyspark.sql import SparkSession

from contracts.table import ARRIVALS as ARRIVALS_TABLE
from contracts.table import PARTITIONS, TABLE, column_name, structure

DATABASE = "event"

#: Name of the table in queries.
NAME = f"{DATABASE}.{TABLE}"

#: Name of the table of arrival times: when each row reached topic and table.
ARRIVALS = f"{DATABASE}.{ARRIVALS_TABLE}"

_TYPES = {"VARCHAR": "STRING", "BIGINT": "BIGINT", "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN"}

_PARTITION_TYPES = {"datacenter": "STRING"}


def event_type() -> str:
    """Return the type of an event's JSON as a Spark struct, with the event's field names."""
    members = ", ".join(f"`{name}`: {_type(kind)}" for name, kind in structure().items())
    return f"STRUCT<{members}>"


def create(spark: SparkSession, location: str) -> None:
    """Create the database and both tables unless they exist.

    Args:
        spark: Spark session with Hive support.
        location: folder or URI for new tables; existing tables stay where they are.
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
        # The maps in the schema are all from text to text.
        return _TYPES.get(kind) or kind.replace("MAP(VARCHAR, VARCHAR)", "MAP<STRING, STRING>")
    if isinstance(kind, list):
        return f"ARRAY<{_type(kind[0])}>"
    if isinstance(kind, Mapping):
        return "STRUCT<{}>".format(", ".join(f"`{name}`: {_type(member)}" for name, member in kind.items()))
    raise TypeError(kind)
