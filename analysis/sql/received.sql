-- How many landed events the intake says it received when that cannot be: before they were due, or after the run.
-- Late ones are told as such.
SELECT
    count(*) FILTER (WHERE delay_ms < -$ahead_ms) AS before_due,
    count(*) FILTER (WHERE fate <> 'late' AND status IN (201, 202) AND due_ms + delay_ms > $until_ms) AS after_the_run
FROM classified
