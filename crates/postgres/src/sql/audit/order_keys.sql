-- Whoever and whatever an order and its lines lead to is there. Triggers see to that where rows are added; nobody does
-- where a database is put back from a damaged copy.
SELECT format('order %s', o.number) AS subject, format('its buyer %s does not exist', o.buyer_id) AS detail
FROM orders o
LEFT JOIN users u ON u.id = o.buyer_id
WHERE u.id IS NULL
UNION ALL
SELECT format('order %s', coalesce(o.number, l.order_id::text)), CASE
    WHEN o.id IS NULL THEN format('it has a line of product %s, but does not exist', l.product_id)
    WHEN s.product_id IS NULL THEN format('its product %s has no stock', l.product_id)
    ELSE format('the seller of its product %s does not exist', l.product_id) END
FROM order_lines l
LEFT JOIN orders o ON o.id = l.order_id
LEFT JOIN stock s ON s.product_id = l.product_id
LEFT JOIN users u ON u.id = l.seller_id
WHERE o.id IS NULL OR s.product_id IS NULL OR u.id IS NULL
