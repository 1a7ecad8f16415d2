-- The books of orders that are named by their own id, by a payment's, or by an intent's; in `place`, which of those asked.
-- As json and not jsonb: it is only read, and takes half the time to make. Each table is asked by key, so that a plan that
-- was made while they were small never reads all of one.
WITH wanted AS (
    SELECT place, coalesce(order_id,
        (SELECT p.order_id FROM payments p WHERE p.id = payment_id),
        (SELECT p.order_id FROM payments p WHERE p.intent_id = intent)) AS order_id
    FROM unnest($1, $2, $3) WITH ORDINALITY AS asked (order_id, payment_id, intent, place)
)
SELECT wanted.place, json_build_object(
    'order', json_build_object(
        'row', row_to_json(o),
        'buyer', (SELECT json_build_object('email', u.email, 'name', u.name, 'locale', u.locale)
                  FROM users u WHERE u.id = o.buyer_id),
        'lines', (SELECT json_agg(l ORDER BY product_id) FROM order_lines l WHERE l.order_id = o.id),
        'history', (SELECT json_agg(h ORDER BY version) FROM order_history h WHERE h.order_id = o.id)),
    'payments', (SELECT coalesce(json_agg(p ORDER BY p.id), '[]') FROM payments p WHERE p.order_id = o.id),
    'refunds', (SELECT coalesce(json_agg(r ORDER BY r.id), '[]')
                FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE p.order_id = o.id),
    'disputes', (SELECT coalesce(json_agg(d ORDER BY d.id), '[]')
                 FROM disputes d JOIN payments p ON p.id = d.payment_id WHERE p.order_id = o.id)
)::text AS doc
FROM wanted
JOIN LATERAL (SELECT * FROM orders WHERE id = wanted.order_id OFFSET 0) AS o ON true
