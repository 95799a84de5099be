-- Candidate rows that this run did not send, with the keys that another run's ledger may know.
SELECT
    candidate_rows.unexpected_id AS id,
    min(candidate_rows.intake_ms) AS first_ms,
    min(
        concat_ws(
            '/',
            observed_annotated.funnel_entry_token,
            observed_annotated.funnel_event_sequence_position,
            observed_annotated.action
        )
    ) AS funnel,
    count(*) AS copies
FROM candidate_rows
INNER JOIN observed_annotated ON candidate_rows.id_hash = observed_annotated.id_hash
WHERE NOT candidate_rows.was_sent AND candidate_rows.unexpected_id IS NOT NULL
GROUP BY candidate_rows.unexpected_id
ORDER BY candidate_rows.unexpected_id
