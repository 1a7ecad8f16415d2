WITH wanted AS (
    SELECT CASE $1
        WHEN 'order' THEN $2
        WHEN 'payment' THEN (SELECT order_id FROM payments WHERE id = $3)
        ELSE (SELECT order_id FROM payments WHERE intent_id = $4)
    END AS order_id
)
SELECT jsonb_build_object(
    'order', to_jsonb(o) || jsonb_build_object(
        'buyer', jsonb_build_object('email', u.email, 'name', u.name, 'locale', u.locale),
        'lines', (SELECT jsonb_agg(l ORDER BY product_id) FROM order_lines l WHERE l.order_id = o.id),
        'history', (SELECT jsonb_agg(h ORDER BY version) FROM order_history h WHERE h.order_id = o.id)),
    'payments', (SELECT coalesce(jsonb_agg(p ORDER BY p.id), '[]') FROM payments p WHERE p.order_id = o.id),
    'refunds', (SELECT coalesce(jsonb_agg(r ORDER BY r.id), '[]')
                FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE p.order_id = o.id),
    'disputes', (SELECT coalesce(jsonb_agg(d ORDER BY d.id), '[]')
                 FROM disputes d JOIN payments p ON p.id = d.payment_id WHERE p.order_id = o.id)
) AS doc
FROM wanted
JOIN orders o ON o.id = wanted.order_id
JOIN users u ON u.id = o.buyer_id
