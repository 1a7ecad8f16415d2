-- A shop with a past: so many orders of one line each that nobody paid, the even ones called off and the odd ones expired,
-- by ten thousand buyers and, of every hundredth, by the buyers of the benchmark.
SET session_replication_role = replica;
INSERT INTO users (email, password_hash, name, role, locale, created_at)
SELECT 'past' || n || '@bench.test', 'none', 'Past Buyer', 'buyer', 'en', now() FROM generate_series(1, 10000) AS n;

CREATE TEMP TABLE past AS
SELECT nextval('orders_id_seq') AS id, n, 1 + n % :products AS product_id,
       CASE WHEN n % 100 = 0 THEN 2 + n / 100 % :buyers ELSE (SELECT max(id) FROM users) - n % 10000 END AS buyer_id,
       CASE n % 2 WHEN 0 THEN 'cancelled' ELSE 'expired' END AS status,
       now() - interval '60 days' + n * interval '2 seconds' AS at
FROM generate_series(1, :orders) AS n;

INSERT INTO orders (id, number, buyer_id, status, payment_status, currency, total_minor, shipping_address, expires_at,
                    holds_stock, version, created_at, updated_at)
SELECT id, 'ORD-' || to_char(at, 'YYYYMMDD') || '-' || lpad(id::text, greatest(4, length(id::text)), '0'), buyer_id,
       status, 'unpaid', 'USD', 1000,
       '{"recipient": "Kim", "phone": "1", "line1": "1", "city": "Seoul", "postal_code": "04524", "country": "KR"}',
       at + interval '30 minutes', false, 2, at, at
FROM past;
INSERT INTO order_lines (order_id, product_id, seller_id, name, unit_price_minor, quantity)
SELECT id, product_id, 1, 'Spicy ramen', 1000, 1 FROM past;
INSERT INTO order_history (order_id, version, at, from_status, to_status, payment_status, reason)
SELECT id, 1, at, NULL, 'pending', 'unpaid', 'placed' FROM past
UNION ALL
SELECT id, 2, at, 'pending', status, 'unpaid', status FROM past
ORDER BY 1, 2;
INSERT INTO stock_movements (product_id, kind, delta, order_id, order_version, at)
SELECT product_id, 'sold', -1, id, 1, at FROM past
UNION ALL
SELECT product_id, 'returned', 1, id, 2, at FROM past
ORDER BY 4, 5;
DROP TABLE past;
RESET session_replication_role;
ANALYZE users, orders, order_lines, order_history, stock_movements;
