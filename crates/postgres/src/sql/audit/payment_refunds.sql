-- A payment says as much went back as its refunds do, and they never promise more than it captured.
SELECT format('payment %s of order %s', p.id, o.number) AS subject,
       CASE WHEN r.live > p.captured_minor
            THEN format('its refunds come to %s, but it captured only %s (minor units of %s)', r.live, p.captured_minor, p.currency)
            ELSE format('it says that %s went back, its refunds say %s (minor units of %s)', p.refunded_minor,
                        coalesce(r.taken_on, 0), p.currency) END AS detail
FROM payments p
JOIN orders o ON o.id = p.order_id
LEFT JOIN (
    SELECT payment_id, sum(amount_minor) AS live, sum(amount_minor) FILTER (WHERE acknowledged) AS taken_on
    FROM refunds
    WHERE status NOT IN ('failed', 'canceled')
    GROUP BY payment_id
) r ON r.payment_id = p.id
WHERE p.refunded_minor <> coalesce(r.taken_on, 0) OR r.live > p.captured_minor
