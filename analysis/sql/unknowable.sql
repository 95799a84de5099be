-- Visits none of whose events landed or was acknowledged: whether they took part cannot be seen in the table.
SELECT visit
FROM classified
GROUP BY visit
HAVING count(*) FILTER (WHERE fate <> 'indeterminate') = 0
ORDER BY visit
