-- Subjects none of whose events landed or was acknowledged: whether they took part cannot be seen in the table.
SELECT count(*) AS subjects
FROM (
    SELECT visit
    FROM classified
    GROUP BY visit
    HAVING count(*) FILTER (WHERE fate <> 'indeterminate') = 0
) AS unseen
