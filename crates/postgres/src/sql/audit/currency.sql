-- All money of an order is in its currency, and every fact about a payment is filed under that payment's order.
SELECT format('payment %s of order %s', p.id, o.number) AS subject,
       format('the order is in %s, its payment in %s', o.currency, p.currency) AS detail
FROM payments p JOIN orders o ON o.id = p.order_id
WHERE p.currency <> o.currency
UNION ALL
SELECT format('refund %s of payment %s', r.id, p.id), format('the payment is in %s, its refund in %s', p.currency, r.currency)
FROM refunds r JOIN payments p ON p.id = r.payment_id
WHERE r.currency <> p.currency
UNION ALL
SELECT format('dispute %s of payment %s', d.id, p.id), format('the payment is in %s, the dispute in %s', p.currency, d.currency)
FROM disputes d JOIN payments p ON p.id = d.payment_id
WHERE d.currency <> p.currency
UNION ALL
SELECT format('ledger entry %s of payment %s', e.id, p.id),
       CASE WHEN e.order_id <> p.order_id THEN format('the payment is of order %s, the entry of order %s', p.order_id, e.order_id)
            ELSE format('the payment is in %s, the entry in %s', p.currency, e.currency) END
FROM ledger_entries e JOIN payments p ON p.id = e.payment_id
WHERE (e.currency, e.order_id) <> (p.currency, p.order_id)
