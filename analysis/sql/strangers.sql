-- Rows that claim this run's instrument or experiment and were never sent by it, with what another run's ledger may know
-- them by.
SELECT
    claimed.strange_id AS id,
    min(claimed.intake_ms) AS first_ms,
    min(
        concat_ws(
            '/',
            observed_all.funnel_entry_token,
            observed_all.funnel_event_sequence_position,
            observed_all.action
        )
    ) AS funnel,
    count(*) AS copies
FROM claimed
INNER JOIN observed_all ON claimed.id_number = observed_all.id_number
WHERE NOT claimed.was_sent AND claimed.strange_id IS NOT NULL
GROUP BY claimed.strange_id
ORDER BY claimed.strange_id
