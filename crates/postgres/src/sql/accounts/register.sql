WITH person AS (
    INSERT INTO users (email, password_hash, name, role, locale, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (lower(email)) DO NOTHING
    RETURNING id, email, name, role, locale, created_at
), session AS (
    INSERT INTO sessions (family, user_id) SELECT $7, id FROM person RETURNING family
), token AS (
    INSERT INTO refresh_tokens (family, hash, expires_at) SELECT family, $8, $9 FROM session
), mail AS (
    INSERT INTO outbox (mail) SELECT $10 FROM person
)
SELECT to_jsonb(person) AS doc FROM person -- no row: the address is taken
