WITH opened AS (
    INSERT INTO payments (order_id, intent_id, client_secret, currency, amount_minor, state, checked_at, created_at)
    SELECT id, 'pi_bench_' || id, 'secret', currency, total_minor, 'requires_payment_method', now(), now()
    FROM orders WHERE status = 'pending' ORDER BY id DESC LIMIT 40000
    ON CONFLICT DO NOTHING
    RETURNING order_id, intent_id, amount_minor
)
SELECT order_id, number, intent_id, amount_minor FROM opened JOIN orders ON orders.id = order_id
