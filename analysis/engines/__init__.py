"""Query engines: DuckDB on this machine, Spark SQL or Trino where the table is."""
