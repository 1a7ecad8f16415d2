-- Claims keys in ascending order; one that someone is just claiming is waited for. Only those that are ours come back.
INSERT INTO idempotency_keys AS held (user_id, path, key, fingerprint)
SELECT user_id, path, key, decode(fingerprint, 'hex')
FROM jsonb_to_recordset($1) AS wanted (user_id bigint, path text, key text, fingerprint text)
ORDER BY user_id, path, key
ON CONFLICT (user_id, path, key) DO UPDATE
SET fingerprint = excluded.fingerprint, claim = excluded.claim, owner = NULL, status = NULL, body = NULL,
    created_at = now()
WHERE held.created_at < now() - interval '24 hours'
RETURNING held.user_id, held.path, held.key AS text
