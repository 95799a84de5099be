-- An event of the ledger that the plan does not have.
SELECT
    planned_facts.visit,
    planned_facts.position
FROM planned_facts
ANTI JOIN planned ON planned_facts.visit = planned.visit AND planned_facts.position = planned.position
ORDER BY planned_facts.visit, planned_facts.position
LIMIT 1
