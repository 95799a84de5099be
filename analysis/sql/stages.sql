-- What each visit put on the wire, and what landed of it.
SELECT
    visit,
    bool_or(action = 'impression') AS impression,
    bool_or(action = 'click') AS click,
    bool_or(copies > 0) AS landed
FROM classified
GROUP BY visit
ORDER BY visit
