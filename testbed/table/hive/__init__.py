"""The table as a warehouse has it: Hive, filled by Spark from the stream's segments or from Kafka."""
