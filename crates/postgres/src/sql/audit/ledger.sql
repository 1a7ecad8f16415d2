-- Amounts are what the ledger's entries add up to.
SELECT format('payment %s of order %s', p.id, o.number) AS subject,
       format('it captured %s, refunded %s and lost %s in disputes; the ledger says %s, %s and %s (minor units of %s)',
              p.captured_minor, p.refunded_minor, coalesce(d.withdrawn, 0), coalesce(e.captured, 0),
              coalesce(e.refunded, 0), coalesce(e.disputed, 0), p.currency) AS detail
FROM payments p
JOIN orders o ON o.id = p.order_id
LEFT JOIN (
    SELECT payment_id,
           sum(CASE kind WHEN 'captured' THEN amount_minor ELSE 0 END) AS captured,
           sum(CASE kind WHEN 'refunded' THEN amount_minor WHEN 'refund_reversed' THEN -amount_minor ELSE 0 END) AS refunded,
           sum(CASE kind WHEN 'disputed' THEN amount_minor WHEN 'reinstated' THEN -amount_minor ELSE 0 END) AS disputed
    FROM ledger_entries
    GROUP BY payment_id
) e ON e.payment_id = p.id
LEFT JOIN (
    SELECT payment_id, sum(amount_minor) AS withdrawn FROM disputes WHERE withdrawn GROUP BY payment_id
) d ON d.payment_id = p.id
WHERE (p.captured_minor, p.refunded_minor, coalesce(d.withdrawn, 0))
      <> (coalesce(e.captured, 0), coalesce(e.refunded, 0), coalesce(e.disputed, 0))
