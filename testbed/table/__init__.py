"""The table: Parquet files in Hive's layout, or Hive filled by Spark."""
