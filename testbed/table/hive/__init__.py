"""The table in a warehouse: Hive, filled by Spark from the stream's segments or from Kafka."""
