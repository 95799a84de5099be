-- An event of the ledger that the plan does not have.
SELECT
    facts.visit,
    facts.position
FROM facts
LEFT JOIN planned ON facts.place = planned.visit * 1048576 + planned.position
WHERE facts.visit < $visitors AND planned.visit IS NULL
ORDER BY facts.visit, facts.position
LIMIT 1
