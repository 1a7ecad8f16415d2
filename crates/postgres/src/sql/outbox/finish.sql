-- A dead letter that was requeued meanwhile stays as it is.
WITH input AS (
    SELECT $1 AS id, $2 AS status, $3 AS due_at, $4 AS error
)
UPDATE outbox o
SET status = input.status, attempts = o.attempts + 1, due_at = coalesce(input.due_at, o.due_at),
    last_error = input.error, finished_at = CASE WHEN input.status <> 'pending' THEN now() END
FROM input
WHERE o.id = input.id AND o.status = 'pending'
