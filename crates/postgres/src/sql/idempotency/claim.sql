-- Takes a key that is new, older than a day, given back, or held by a process that is gone. The last two keep their
-- claim: the provider's keys derive from it. Whoever asks is alive, though its lock may just be lost with a connection.
WITH input AS (
    SELECT $1 AS user_id, $2 AS path, $3 AS key, $4 AS fingerprint, $5 AS owner, $6 AS lock_class
)
INSERT INTO idempotency_keys AS held (user_id, path, key, fingerprint, owner, claim)
SELECT user_id, path, key, fingerprint, owner, gen_random_uuid() FROM input
ON CONFLICT (user_id, path, key) DO UPDATE
SET owner = excluded.owner, fingerprint = excluded.fingerprint, status = NULL, body = NULL,
    claim = CASE WHEN held.created_at < now() - interval '24 hours' THEN excluded.claim ELSE held.claim END,
    created_at = CASE WHEN held.created_at < now() - interval '24 hours' THEN now() ELSE held.created_at END
WHERE held.created_at < now() - interval '24 hours'
   OR (held.status IS NULL AND held.fingerprint = excluded.fingerprint AND held.owner IS DISTINCT FROM excluded.owner
       AND NOT EXISTS (
        SELECT FROM pg_locks l -- No number in `owner` equals none of these.
        WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND l.classid = (SELECT (lock_class::bigint & 4294967295)::oid FROM input)
          AND l.objid = (held.owner::bigint & 4294967295)::oid))
RETURNING held.claim
