-- Locks the person first: of two links used at once, one counts.
WITH input AS (
    SELECT $1 AS hash, $2 AS password_hash, $3 AS now
), person AS MATERIALIZED (
    SELECT u.id
    FROM input, users u JOIN password_resets r ON r.user_id = u.id
    WHERE r.hash = input.hash AND r.used_at IS NULL AND r.expires_at > input.now
    FOR NO KEY UPDATE OF u, r
), changed AS (
    UPDATE users u SET password_hash = input.password_hash FROM input, person WHERE u.id = person.id
), used AS (
    UPDATE password_resets r SET used_at = input.now FROM input, person WHERE r.user_id = person.id AND r.used_at IS NULL
), ended AS (
    UPDATE sessions s SET ended_at = input.now FROM input, person WHERE s.user_id = person.id AND s.ended_at IS NULL
)
SELECT EXISTS (SELECT FROM person) AS yes
