-- A session's newest token is its unspent one: when that has run out, all have.
WITH input AS (
    SELECT $1 AS before, 1000 AS batch
), ended AS (
    SELECT family FROM input, sessions WHERE ended_at < before LIMIT (SELECT batch FROM input)
), expired AS (
    DELETE FROM refresh_tokens
    WHERE hash IN (SELECT hash FROM input, refresh_tokens WHERE expires_at < before LIMIT (SELECT batch FROM input))
    RETURNING family, spent_at
), resets AS (
    DELETE FROM password_resets
    WHERE hash IN (SELECT hash FROM input, password_resets WHERE expires_at < before LIMIT (SELECT batch FROM input))
    RETURNING hash
), over AS (
    DELETE FROM sessions
    WHERE family IN (SELECT family FROM ended UNION ALL SELECT family FROM expired WHERE spent_at IS NULL)
    RETURNING family
)
SELECT (SELECT count(*) FROM expired) + (SELECT count(*) FROM resets) + (SELECT count(*) FROM over) AS swept
