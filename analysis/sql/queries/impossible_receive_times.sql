-- Number of landed events whose receive time is impossible: before they were due, or after the run.
-- Late events are left out of the second count: they have a fate.
SELECT
    count(*) FILTER (WHERE delay_ms < -$ahead_ms) AS before_due,
    count(*) FILTER (WHERE fate <> 'late' AND status IN (201, 202) AND due_ms + delay_ms > $until_ms) AS after_the_run
FROM event_fates
