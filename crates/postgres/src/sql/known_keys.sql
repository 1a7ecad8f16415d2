-- What is kept under these keys. Those that are older than a day are forgotten, and free again.
WITH wanted AS (
    SELECT * FROM unnest($1, $2, $3) AS wanted (user_id, path, key)
), forgotten AS (
    DELETE FROM idempotency_keys k
    USING wanted
    WHERE (k.user_id, k.path, k.key) = (wanted.user_id, wanted.path, wanted.key)
      AND k.created_at < now() - interval '24 hours'
)
SELECT k.user_id, k.path, k.key AS name, k.fingerprint, k.status, k.body
FROM wanted
JOIN idempotency_keys k ON (k.user_id, k.path, k.key) = (wanted.user_id, wanted.path, wanted.key)
WHERE k.created_at >= now() - interval '24 hours'
