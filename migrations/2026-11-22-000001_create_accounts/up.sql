CREATE TABLE users (
    id            bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    email         text        NOT NULL CHECK (char_length(email) BETWEEN 3 AND 254),
    password_hash text        NOT NULL,
    name          text        NOT NULL CHECK (char_length(name) BETWEEN 2 AND 200),
    role          text        NOT NULL CHECK (role IN ('buyer', 'seller', 'admin')),
    locale        text        NOT NULL CHECK (locale IN ('ko', 'en')),
    created_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email));

-- A session is a family of refresh tokens, of which only the unspent one is good.
CREATE TABLE sessions (
    family     uuid PRIMARY KEY,
    user_id    bigint      NOT NULL REFERENCES users,
    ended_at   timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sessions_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    family     uuid        NOT NULL REFERENCES sessions ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    spent_at   timestamptz
);
CREATE UNIQUE INDEX refresh_tokens_one_unspent ON refresh_tokens (family) WHERE spent_at IS NULL;
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

CREATE TABLE password_resets (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    -- Nobody's where the address was unknown: asking must cost the same.
    user_id    bigint      REFERENCES users,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX password_resets_user ON password_resets (user_id);
CREATE INDEX password_resets_expiry ON password_resets (expires_at);
