-- An order that counts as paid was paid: by one payment of its own, captured, of exactly its total.
SELECT format('order %s', o.number) AS subject,
       CASE WHEN o.settled_by IS NULL THEN format('it is %s, but no payment settled it', o.status)
            WHEN p.id IS NULL THEN format('it is settled by payment %s, which does not exist', o.settled_by)
            WHEN p.order_id <> o.id THEN format('it is settled by payment %s, which is of another order', p.id)
            WHEN p.state <> 'succeeded' THEN format('it is settled by payment %s, which is %s', p.id, p.state)
            ELSE format('its total is %s, payment %s captured %s (minor units of %s)', o.total_minor, p.id, p.captured_minor,
                        o.currency) END AS detail
FROM orders o LEFT JOIN payments p ON p.id = o.settled_by
WHERE (o.settled_by IS NOT NULL OR (o.total_minor > 0 AND o.status IN ('paid', 'shipped', 'delivered', 'refunded')))
  AND (p.order_id, p.state, p.captured_minor) IS DISTINCT FROM (o.id, 'succeeded', o.total_minor)
