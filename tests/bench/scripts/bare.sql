-- The same work without history, movements, keys, mails, foreign keys and indexes: what pgbench is given.
CREATE SCHEMA bare;
CREATE TABLE bare.stock (product_id bigint PRIMARY KEY, available bigint NOT NULL CHECK (available >= 0))
    WITH (fillfactor = 50);
INSERT INTO bare.stock SELECT product_id, 1000000000 FROM stock;
CREATE TABLE bare.orders (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, buyer_id bigint NOT NULL, total_minor bigint NOT NULL,
    status text NOT NULL, created_at timestamptz NOT NULL
);
CREATE TABLE bare.order_lines (
    order_id bigint, product_id bigint, quantity integer NOT NULL, unit_price_minor bigint NOT NULL,
    PRIMARY KEY (order_id, product_id)
);
CREATE TABLE bare.events (id text PRIMARY KEY, payload text NOT NULL);
INSERT INTO bare.orders (buyer_id, total_minor, status, created_at)
SELECT 1, 1500, 'pending', now() FROM generate_series(1, 200000);
ANALYZE bare.stock, bare.orders;
