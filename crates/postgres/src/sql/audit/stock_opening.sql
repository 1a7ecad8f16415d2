-- Every product has a stock, and its books were opened once.
SELECT format('product %s', p.id) AS subject,
       CASE WHEN s.product_id IS NULL THEN 'it has no stock'
            ELSE format('it has %s opening movements instead of one', coalesce(m.openings, 0)) END AS detail
FROM products p
LEFT JOIN stock s ON s.product_id = p.id
LEFT JOIN (
    SELECT product_id, count(*) AS openings FROM stock_movements WHERE kind = 'opening' GROUP BY product_id
) m ON m.product_id = p.id
WHERE s.product_id IS NULL OR m.openings IS DISTINCT FROM 1
