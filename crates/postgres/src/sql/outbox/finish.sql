-- What came of a batch of mails. A dead letter that was requeued meanwhile stays as it is.
UPDATE outbox o
SET status = tried.status, attempts = o.attempts + 1, due_at = coalesce(tried.due_at, o.due_at),
    last_error = tried.error, finished_at = CASE WHEN tried.status <> 'pending' THEN now() END
FROM unnest($1, $2, $3, $4) AS tried (id, status, due_at, error)
WHERE o.id = ANY ($1) AND o.id = tried.id AND o.finished_at IS NULL
