-- Times at which rows arrived in their topic and in the table.
SELECT *
FROM table_arrivals
