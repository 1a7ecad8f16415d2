-- Orders by their ids, the newest first, with all of their lines or with one seller's. One that has left the wanted status
-- since its id was found is not there.
SELECT json_build_object(
    'row', row_to_json(o),
    'buyer', json_build_object('email', u.email, 'name', u.name, 'locale', u.locale),
    'lines', (SELECT json_agg(l ORDER BY product_id) FROM order_lines l
              WHERE l.order_id = o.id AND l.seller_id = coalesce(wanted.seller_id, l.seller_id)),
    'history', (SELECT json_agg(h ORDER BY version) FROM order_history h WHERE h.order_id = o.id))::text AS doc
FROM (SELECT $1 AS ids, $2 AS seller_id, $3 AS status) AS wanted
JOIN orders o ON o.id = ANY (wanted.ids) AND o.status = coalesce(wanted.status, o.status)
JOIN users u ON u.id = o.buyer_id
ORDER BY o.id DESC
