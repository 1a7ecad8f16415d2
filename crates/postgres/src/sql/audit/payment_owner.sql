-- Captured money belongs to an order that keeps it, or is on its way back, or is argued about with the bank. An order
-- that is due has its upkeep still to come.
SELECT format('payment %s of order %s', p.id, o.number) AS subject,
       CASE WHEN o.status = 'pending' THEN format('it captured %s, but the order still waits for money', p.captured_minor)
            ELSE format('the order is %s and does not keep its %s; only %s are on their way back (minor units of %s)', o.status,
                        p.captured_minor, r.live + d.withdrawn, p.currency) END AS detail
FROM payments p
JOIN orders o ON o.id = p.order_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_minor), 0) AS live FROM refunds WHERE payment_id = p.id AND status NOT IN ('failed', 'canceled')
) r
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_minor) FILTER (WHERE withdrawn), 0) AS withdrawn, coalesce(bool_or(open), false) AS open
    FROM disputes
    WHERE payment_id = p.id
) d
WHERE p.state = 'succeeded'
  AND NOT (o.settled_by IS NOT DISTINCT FROM p.id AND o.status IN ('paid', 'shipped', 'delivered'))
  AND (o.status = 'pending' OR (NOT d.open AND o.due_at IS NULL AND r.live + d.withdrawn < p.captured_minor))
