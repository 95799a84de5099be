-- Rows of some hours of a warehouse's table, read by its partitions.
-- Hours are numbers like 2025013114.
SELECT *
FROM event_table
WHERE year * 1000000 + month * 10000 + day * 100 + hour BETWEEN $from_hour AND $until_hour
