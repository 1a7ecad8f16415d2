-- Where nobody has the address, a row of nobody's is written: the answer takes as long, the commit included.
WITH input AS (
    SELECT $1 AS email, $2 AS hash, $3 AS expires_at, $4 AS content
), person AS (
    SELECT u.id, u.email, u.name, u.locale FROM input, users u WHERE lower(u.email) = lower(input.email)
), mail AS (
    INSERT INTO outbox (mail)
    SELECT jsonb_build_object(
        'to', jsonb_build_object('email', person.email, 'name', person.name, 'locale', person.locale),
        'content', input.content)
    FROM input, person
)
INSERT INTO password_resets (hash, user_id, expires_at)
SELECT input.hash, (SELECT id FROM person), input.expires_at FROM input
