-- Writes a batch of orders that was decided under the locks of its products, with all that comes with them.
WITH input AS (
    SELECT $1 AS doc
), placed AS (
    INSERT INTO orders (
        id, number, buyer_id, status, payment_status, currency, total_minor, shipping_address, note, expires_at,
        holds_stock, version, due_at, created_at, updated_at)
    SELECT o.*
    FROM input, jsonb_to_recordset(doc -> 'orders') AS o (
        id bigint, number text, buyer_id bigint, status text, payment_status text, currency text, total_minor bigint,
        shipping_address jsonb, note text, expires_at timestamptz, holds_stock boolean, version bigint,
        due_at timestamptz, created_at timestamptz, updated_at timestamptz)
), lines AS (
    INSERT INTO order_lines (order_id, product_id, seller_id, name, unit_price_minor, quantity)
    SELECT l.*
    FROM input, jsonb_to_recordset(doc -> 'lines') AS l (
        order_id bigint, product_id bigint, seller_id bigint, name text, unit_price_minor bigint, quantity integer)
), history AS (
    INSERT INTO order_history (order_id, version, at, to_status, payment_status, reason)
    SELECT h.*
    FROM input, jsonb_to_recordset(doc -> 'history') AS h (
        order_id bigint, version bigint, at timestamptz, to_status text, payment_status text, reason text)
), movements AS (
    INSERT INTO stock_movements (product_id, kind, delta, order_id, order_version, at)
    SELECT m.*
    FROM input, jsonb_to_recordset(doc -> 'stock') AS m (
        product_id bigint, kind text, delta bigint, order_id bigint, order_version bigint, at timestamptz)
), taken AS (
    UPDATE stock s
    SET available = s.available - t.quantity
    FROM (
        SELECT l.product_id, sum(l.quantity) AS quantity
        FROM input, jsonb_to_recordset(doc -> 'lines') AS l (product_id bigint, quantity integer)
        GROUP BY l.product_id
    ) AS t
    WHERE s.product_id = t.product_id
), mails AS (
    INSERT INTO outbox (mail) SELECT mail FROM input, jsonb_array_elements(doc -> 'mails') AS mail
)
INSERT INTO idempotency_keys (user_id, path, key, fingerprint, status, body)
SELECT * FROM unnest($2, $3, $4, $5, $6, $7)
