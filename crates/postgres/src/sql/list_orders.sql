WITH filter AS (
    SELECT $1 AS buyer_id, $2 AS seller_id, $3 AS status, $4 AS after, $5 AS skip, $6 AS size, $7 AS counts, $8 AS most
), matching AS NOT MATERIALIZED (
    SELECT o.id
    FROM filter f, orders o
    WHERE (f.buyer_id IS NULL OR o.buyer_id = f.buyer_id)
      AND (f.seller_id IS NULL
           OR EXISTS (SELECT FROM order_lines l WHERE l.order_id = o.id AND l.seller_id = f.seller_id))
      AND (f.status IS NULL OR o.status = f.status)
), page AS (
    SELECT id FROM matching
    WHERE id < coalesce((SELECT after FROM filter), 9223372036854775807)
    ORDER BY id DESC
    OFFSET (SELECT skip FROM filter)
    LIMIT (SELECT size FROM filter)
)
SELECT jsonb_build_object(
    'total', CASE WHEN (SELECT counts FROM filter) THEN (
        SELECT count(*) FROM (SELECT FROM matching LIMIT (SELECT most FROM filter)) AS counted) END,
    'orders', (
        SELECT coalesce(jsonb_agg(to_jsonb(o) || jsonb_build_object(
            'buyer', jsonb_build_object('email', u.email, 'name', u.name, 'locale', u.locale),
            'lines', (SELECT jsonb_agg(l ORDER BY product_id) FROM order_lines l
                      WHERE l.order_id = o.id AND l.seller_id = coalesce((SELECT seller_id FROM filter), l.seller_id)),
            'history', (SELECT jsonb_agg(h ORDER BY version) FROM order_history h WHERE h.order_id = o.id)
        ) ORDER BY o.id DESC), '[]')
        FROM page JOIN orders o ON o.id = page.id JOIN users u ON u.id = o.buyer_id)
) AS doc
