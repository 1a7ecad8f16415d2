WITH session AS (
    INSERT INTO sessions (user_id, family) VALUES ($1, $2) RETURNING family
)
INSERT INTO refresh_tokens (family, hash, expires_at) SELECT family, $3, $4 FROM session
