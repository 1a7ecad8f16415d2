-- An order that owns its stock took exactly its lines; any other has given everything back.
SELECT format('order %s, product %s', coalesce(o.number, order_id::text), product_id) AS subject,
       CASE WHEN o.id IS NULL THEN format('%s pieces were taken for an order that does not exist', taken)
            WHEN taken < 0 THEN format('%s more pieces were given back than taken', -taken)
            WHEN NOT o.holds_stock THEN format('it is %s and owns no stock, yet %s of its pieces are still taken', o.status, taken)
            ELSE format('%s pieces are ordered, %s are taken', coalesce(l.quantity, 0), coalesce(taken, 0)) END AS detail
FROM order_lines l
FULL JOIN (
    SELECT order_id, product_id, -sum(delta) AS taken
    FROM stock_movements
    WHERE order_id IS NOT NULL
    GROUP BY order_id, product_id
) m USING (order_id, product_id)
LEFT JOIN orders o ON o.id = order_id
WHERE coalesce(taken, 0) <> CASE WHEN o.holds_stock THEN coalesce(l.quantity, 0) ELSE 0 END
