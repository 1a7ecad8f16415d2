-- Mails, written in the transaction that caused them.
CREATE TABLE outbox (
    id          bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    mail        jsonb       NOT NULL,
    message_key uuid        NOT NULL DEFAULT gen_random_uuid(),
    status      text        NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'dead', 'sent')),
    attempts    integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due_at      timestamptz NOT NULL DEFAULT now(),
    last_error  text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX outbox_due ON outbox (due_at) WHERE status = 'pending';
CREATE INDEX outbox_dead ON outbox (id) WHERE status = 'dead';
