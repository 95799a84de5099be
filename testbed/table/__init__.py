"""The table: Parquet files in Hive's layout, or a Hive table filled by Spark."""
