-- A shop's history, made in one go: `shop.orders` orders of three lines each, in every state that an order can rest in.
INSERT INTO users (email, password_hash, name, role, locale, created_at)
VALUES ('seller@shop.test', '', 'Seller', 'seller', 'ko', now()), ('buyer@shop.test', '', 'Buyer', 'buyer', 'en', now());

INSERT INTO products (seller_id, name, price_minor, currency, status, created_at, updated_at)
SELECT 1, 'Kimchi ' || p, 100 + p % 50, 'USD', 'published', now(), now() FROM generate_series(1, 1000) AS p;

INSERT INTO stock (product_id, available) SELECT id, 0 FROM products;

CREATE TEMP TABLE made AS
SELECT o AS id, 'ORD-20261120-' || lpad(o::text, greatest(4, length(o::text)), '0') AS number,
       (ARRAY['pending', 'pending', 'paid', 'paid', 'shipped', 'shipped', 'delivered', 'delivered', 'delivered', 'delivered',
              'cancelled', 'cancelled', 'expired', 'expired', 'refunded', 'refunded'])[1 + o % 16] AS status,
       o % 2 = 1 AS odd,
       timestamptz '2026-11-20 12:00Z' + o * interval '1 second' AS at
FROM generate_series(1, current_setting('shop.orders')::bigint) AS o;

CREATE TEMP TABLE made_lines AS
SELECT m.id AS order_id, 1 + (m.id * 3 + k) % 1000 AS product_id, 1 + (m.id + k) % 3 AS quantity
FROM made m, generate_series(0, 2) AS k;

-- Money came, except for orders that are pending, expired, or called off before (the even ones).
CREATE TEMP TABLE made_orders AS
SELECT m.*, t.total, status NOT IN ('pending', 'expired') AND (status <> 'cancelled' OR odd) AS paid,
       CASE WHEN status = 'refunded' OR (status = 'cancelled' AND odd) THEN t.total
            WHEN status = 'delivered' AND odd AND id % 16 = 7 THEN 100 ELSE 0 END AS refunded,
       status = 'delivered' AND id % 16 = 9 AS disputed
FROM made m
JOIN (
    SELECT l.order_id, sum(l.quantity * p.price_minor) AS total
    FROM made_lines l JOIN products p ON p.id = l.product_id
    GROUP BY l.order_id
) t ON t.order_id = m.id;

INSERT INTO orders (
    id, number, buyer_id, status, payment_status, currency, total_minor, refunded_minor, shipping_address, expires_at,
    holds_stock, settled_by, version, due_at, created_at, updated_at)
SELECT id, number, 2, status,
       CASE WHEN disputed THEN 'disputed' WHEN NOT paid THEN 'unpaid' WHEN refunded = 0 THEN 'paid'
            WHEN refunded < total THEN 'partially_refunded' ELSE 'refunded' END,
       'USD', total, refunded, '{}', at + interval '30 minutes', status NOT IN ('cancelled', 'expired') AND NOT (
           status = 'refunded' AND odd),
       CASE WHEN paid THEN id END, 9, CASE WHEN status = 'pending' THEN at + interval '30 minutes' END, at, at
FROM made_orders;

INSERT INTO order_lines (order_id, product_id, seller_id, name, unit_price_minor, quantity, fulfilment)
SELECT l.order_id, l.product_id, 1, p.name, p.price_minor, l.quantity,
       CASE WHEN m.status IN ('shipped', 'delivered') THEN m.status ELSE 'unfulfilled' END
FROM made_lines l JOIN products p ON p.id = l.product_id JOIN made m ON m.id = l.order_id;

INSERT INTO order_history (order_id, version, at, from_status, to_status, payment_status, reason)
SELECT o.id, s.version, o.at, s.before, s.after, s.money, 'made'
FROM (SELECT made_orders.*, orders.payment_status FROM made_orders JOIN orders USING (id)) AS o
CROSS JOIN LATERAL (
    SELECT version, lag(after) OVER (ORDER BY version) AS before, after,
           CASE WHEN lead(version) OVER (ORDER BY version) IS NULL THEN o.payment_status
                WHEN version = 1 OR NOT o.paid THEN 'unpaid' ELSE 'paid' END AS money
    FROM unnest(CASE
        WHEN o.status = 'pending' THEN ARRAY['pending']
        WHEN o.status IN ('cancelled', 'expired') AND NOT o.paid THEN ARRAY['pending', o.status]
        WHEN o.status = 'paid' THEN ARRAY['pending', 'paid']
        WHEN o.status = 'delivered' THEN ARRAY['pending', 'paid', 'shipped', 'delivered']
        ELSE ARRAY['pending', 'paid', o.status] END) WITH ORDINALITY AS step (after, version)
) AS s;

INSERT INTO stock_movements (product_id, kind, delta, at) SELECT id, 'opening', 1000000000, now() FROM products;
INSERT INTO stock_movements (product_id, kind, delta, order_id, order_version, at)
SELECT l.product_id, 'sold', -l.quantity, l.order_id, 1, m.at FROM made_lines l JOIN made m ON m.id = l.order_id;
INSERT INTO stock_movements (product_id, kind, delta, order_id, order_version, at)
SELECT l.product_id, 'returned', l.quantity, l.order_id, 2, o.updated_at
FROM made_lines l JOIN orders o ON o.id = l.order_id
WHERE NOT o.holds_stock;
UPDATE stock SET available = m.total
FROM (SELECT product_id, sum(delta) AS total FROM stock_movements GROUP BY product_id) AS m
WHERE stock.product_id = m.product_id;

-- Pending ones with an odd number have an open payment.
INSERT INTO payments (
    id, order_id, intent_id, currency, amount_minor, state, captured_minor, refunded_minor, checked_at, created_at)
SELECT id, id, 'pi_' || id, 'USD', total, CASE WHEN paid THEN 'succeeded' ELSE 'requires_payment_method' END,
       CASE WHEN paid THEN total ELSE 0 END, refunded, at, at
FROM made_orders
WHERE paid OR (status = 'pending' AND odd);
INSERT INTO refunds (
    id, payment_id, provider_refund_id, currency, amount_minor, status, acknowledged, restock, restocked, origin, created_at)
SELECT id, id, 're_' || id, 'USD', refunded, 'succeeded', true, false, false,
       CASE WHEN status = 'cancelled' THEN 'automatic' ELSE 'requested' END, at
FROM made_orders
WHERE refunded > 0;
INSERT INTO disputes (id, payment_id, currency, amount_minor, open, withdrawn, status)
SELECT 'dp_' || id, id, 'USD', total, true, true, 'needs_response' FROM made_orders WHERE disputed;
INSERT INTO ledger_entries (order_id, payment_id, kind, currency, amount_minor, provider_object, at)
SELECT id, id, 'captured', 'USD', total, 'pi_' || id, at FROM made_orders WHERE paid
UNION ALL
SELECT id, id, 'refunded', 'USD', refunded, 're_' || id, at FROM made_orders WHERE refunded > 0
UNION ALL
SELECT id, id, 'disputed', 'USD', total, 'dp_' || id, at FROM made_orders WHERE disputed;

DROP TABLE made, made_lines, made_orders;
SELECT setval(pg_get_serial_sequence('orders', 'id'), (SELECT max(id) FROM orders)),
       setval(pg_get_serial_sequence('payments', 'id'), (SELECT max(id) FROM payments)),
       setval(pg_get_serial_sequence('refunds', 'id'), (SELECT max(id) FROM refunds));
