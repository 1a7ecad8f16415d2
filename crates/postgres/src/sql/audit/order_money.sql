-- What an order says about its money follows from its payments: see `payment_status` in the domain's `settlement`.
-- A payment counts if it settled the order, or if none did; one that is flagged never does.
SELECT format('order %s', number) AS subject,
       CASE WHEN refunded_minor <> refunded
            THEN format('it says that %s went back, its payments say %s (minor units of %s)', refunded_minor, refunded, currency)
            ELSE format('its payment status is %s, its payments make it %s', payment_status, expected) END AS detail
FROM (
    SELECT o.number, o.currency, o.payment_status, o.refunded_minor, coalesce(p.refunded, 0) AS refunded, CASE
        WHEN p.disputed THEN 'disputed'
        WHEN o.total_minor = 0 THEN CASE o.status WHEN 'cancelled' THEN 'refunded' ELSE 'paid' END
        WHEN p.captured > 0 THEN CASE WHEN p.refunded = 0 THEN 'paid' WHEN p.refunded < p.captured THEN 'partially_refunded'
                                      ELSE 'refunded' END
        WHEN p.processing THEN 'processing'
        WHEN p.failed THEN 'failed'
        ELSE 'unpaid' END AS expected
    FROM orders o
    LEFT JOIN (
        SELECT c.id,
               coalesce(sum(y.captured_minor) FILTER (WHERE counts), 0) AS captured,
               coalesce(sum(y.refunded_minor) FILTER (WHERE counts), 0) AS refunded,
               bool_or(y.state = 'processing') AS processing,
               bool_or(y.state NOT IN ('succeeded', 'canceled', 'mismatch') AND y.last_error IS NOT NULL) AS failed,
               bool_or(y.id IN (SELECT payment_id FROM disputes WHERE open)) AS disputed
        FROM payments y
        JOIN orders c ON c.id = y.order_id
        CROSS JOIN LATERAL (VALUES (y.state <> 'mismatch' AND y.id = coalesce(c.settled_by, y.id))) AS f (counts)
        GROUP BY c.id
    ) p ON p.id = o.id
) AS judged
WHERE refunded_minor <> refunded OR payment_status <> expected
