-- Locks the session, then the token: of two at once, the second sees that the token is spent.
WITH input AS (
    SELECT $1 AS old, $2 AS new, $3 AS expires_at, $4 AS now
), presented AS MATERIALIZED (
    SELECT s.family, s.user_id, s.ended_at IS NULL AS open, t.spent_at IS NOT NULL AS spent, t.expires_at
    FROM input, sessions s JOIN refresh_tokens t ON t.family = s.family
    WHERE t.hash = input.old
    FOR NO KEY UPDATE OF s, t
), rotated AS (
    UPDATE refresh_tokens t
    SET spent_at = input.now
    FROM input, presented p
    WHERE t.hash = input.old AND p.open AND NOT p.spent AND p.expires_at > input.now
    RETURNING t.family, p.user_id
), successor AS (
    INSERT INTO refresh_tokens (hash, family, expires_at)
    SELECT input.new, rotated.family, input.expires_at FROM input, rotated
), ended AS (
    UPDATE sessions s
    SET ended_at = input.now
    FROM input, presented p
    WHERE s.family = p.family AND p.open AND p.spent
)
SELECT jsonb_build_object(
    'reused', EXISTS (SELECT FROM presented WHERE open AND spent),
    'family', (SELECT family FROM rotated),
    'user', (SELECT to_jsonb(u) - 'password_hash' FROM users u JOIN rotated ON rotated.user_id = u.id)
) AS doc
