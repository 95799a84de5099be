-- When rows of the table came.
SELECT *
FROM table_arrivals
