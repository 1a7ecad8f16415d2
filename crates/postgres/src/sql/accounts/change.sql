-- Another password ends the other sessions and makes mailed reset links worthless.
WITH input AS (
    SELECT $1 AS id, $2 AS name, $3 AS locale, $4 AS password_hash, $5 AS keep_family, $6 AS now
), changed AS (
    UPDATE users u
    SET name = coalesce(input.name, u.name), locale = coalesce(input.locale, u.locale),
        password_hash = coalesce(input.password_hash, u.password_hash)
    FROM input
    WHERE u.id = input.id
    RETURNING u.id, u.email, u.name, u.role, u.locale, u.created_at
), repassworded AS (
    SELECT changed.id, input.keep_family, input.now
    FROM input, changed
    WHERE input.password_hash IS NOT NULL
), ended AS (
    UPDATE sessions s
    SET ended_at = r.now
    FROM repassworded r
    WHERE s.user_id = r.id AND s.ended_at IS NULL AND s.family IS DISTINCT FROM r.keep_family
), closed AS (
    UPDATE password_resets p SET used_at = r.now FROM repassworded r WHERE p.user_id = r.id AND p.used_at IS NULL
)
SELECT to_jsonb(changed) AS doc FROM changed
