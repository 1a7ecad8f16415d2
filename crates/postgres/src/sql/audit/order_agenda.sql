-- Whatever is unfinished has a time at which the shop looks at it again by itself.
SELECT format('order %s', o.number) AS subject, format('%s, but nobody will look at it again', unfinished) AS detail
FROM orders o
JOIN (
    SELECT id AS order_id, 'it waits for money' AS unfinished FROM orders WHERE status = 'pending' AND due_at IS NULL
    UNION ALL
    SELECT order_id, format('payment %s of it is open', id)
    FROM payments
    WHERE state NOT IN ('succeeded', 'canceled', 'mismatch')
    UNION ALL
    SELECT p.order_id, format('refund %s of it is not finished', r.id)
    FROM refunds r JOIN payments p ON p.id = r.payment_id
    WHERE r.status NOT IN ('failed', 'canceled') AND NOT (r.acknowledged AND r.status = 'succeeded')
) AS open ON open.order_id = o.id
WHERE o.due_at IS NULL
