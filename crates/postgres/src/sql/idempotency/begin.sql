-- No row is affected where the key is taken; one that is older than a day is free again.
INSERT INTO idempotency_keys AS held (user_id, path, key, fingerprint)
VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, path, key) DO UPDATE
SET fingerprint = excluded.fingerprint, claim = NULL, owner = NULL, status = NULL, body = NULL,
    created_at = now()
WHERE held.created_at < now() - interval '24 hours'
