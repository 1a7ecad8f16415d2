-- Writes a batch of decided orders with all that comes with them, or nothing where the stock does not suffice any more.
-- Each table comes as the arrays of its columns: to take a document apart costs as much as to write the rows.
-- Stock comes before keys, as it does for whoever locks it first: PostgreSQL runs what the others hang on to before them.
WITH new_orders AS MATERIALIZED (
    SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS o (
        id, number, buyer_id, status, payment_status, currency, total_minor, shipping_address, note, expires_at, at,
        reason)
), new_lines AS MATERIALIZED (
    SELECT * FROM unnest($13, $14, $15, $16, $17, $18, $19) AS l (
        order_id, product_id, seller_id, name, unit_price_minor, quantity, at)
), placed AS (
    INSERT INTO orders (
        id, number, buyer_id, status, payment_status, currency, total_minor, shipping_address, note, expires_at,
        holds_stock, version, due_at, created_at, updated_at)
    SELECT id, number, buyer_id, status, payment_status, currency, total_minor, shipping_address, note, expires_at,
        true, 1, expires_at, at, at
    FROM new_orders
), lines AS (
    INSERT INTO order_lines (order_id, product_id, seller_id, name, unit_price_minor, quantity)
    SELECT order_id, product_id, seller_id, name, unit_price_minor, quantity FROM new_lines
), history AS (
    INSERT INTO order_history (order_id, version, at, to_status, payment_status, reason)
    SELECT id, 1, at, status, payment_status, reason FROM new_orders
), movements AS (
    INSERT INTO stock_movements (product_id, kind, delta, order_id, order_version, at)
    SELECT product_id, 'sold', -quantity, order_id, 1, at FROM new_lines
), mails AS (
    INSERT INTO outbox (mail) SELECT * FROM unnest($20)
), answers AS (
    INSERT INTO idempotency_keys (user_id, path, key, fingerprint, status, body)
    SELECT * FROM unnest($21, $22, $23, $24, $25, $26)
)
UPDATE stock s
SET available = s.available - t.quantity
FROM unnest($27, $28) AS t (product_id, quantity)
WHERE s.product_id = t.product_id
