WITH input AS (
    SELECT $1 AS most, $2 AS lease_seconds
), due AS MATERIALIZED (
    SELECT id, due_at
    FROM outbox
    WHERE status = 'pending' AND due_at <= now()
    ORDER BY due_at
    LIMIT (SELECT most FROM input)
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE outbox o
    SET due_at = now() + lease_seconds * interval '1 second'
    FROM input, due
    WHERE o.id = due.id
    RETURNING o.id, o.mail, o.message_key, o.attempts, o.created_at, due.due_at AS was_due_at
)
SELECT to_jsonb(leased) AS doc FROM leased ORDER BY was_due_at, id
