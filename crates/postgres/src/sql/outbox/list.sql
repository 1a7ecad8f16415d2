WITH input AS (
    SELECT $1 AS status, $2 AS most
)
SELECT to_jsonb(listed) AS doc
FROM (
    SELECT id, mail #>> '{content,kind}' AS kind, mail #>> '{to,email}' AS "to", status, attempts, last_error, created_at,
           due_at
    FROM outbox
    WHERE status = coalesce((SELECT input.status FROM input), status)
    ORDER BY id DESC
    LIMIT (SELECT most FROM input)
) AS listed
