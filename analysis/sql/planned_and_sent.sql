-- The events of the plan that were put on the wire.
SELECT planned.*
FROM planned
WHERE planned.visit * 1048576 + planned.position IN (SELECT place FROM facts)
