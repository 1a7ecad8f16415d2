-- What is there is what came minus what went.
SELECT format('product %s', product_id) AS subject,
       format('stock says %s, its movements add up to %s', coalesce(s.available::text, 'nothing'), coalesce(m.total, 0)) AS detail
FROM stock s FULL JOIN (SELECT product_id, sum(delta) AS total FROM stock_movements GROUP BY product_id) m
    USING (product_id)
WHERE s.available IS DISTINCT FROM coalesce(m.total, 0)
