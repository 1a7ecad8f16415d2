-- The list of sold-out products, which filters go by, is the list of those without stock.
SELECT format('product %s', product_id) AS subject,
       CASE WHEN x.product_id IS NULL THEN 'it has no pieces left, but does not count as sold out'
            ELSE format('it counts as sold out, but has %s pieces', s.available) END AS detail
FROM (SELECT product_id, available FROM stock) AS s FULL JOIN sold_out x USING (product_id)
WHERE (s.available = 0) IS DISTINCT FROM (x.product_id IS NOT NULL)
