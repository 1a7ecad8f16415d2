SELECT format('order %s', o.number) AS subject,
       CASE WHEN l.lines IS NULL THEN 'it has no lines'
            ELSE format('its total is %s, its lines add up to %s (minor units of %s)', o.total_minor, l.total, o.currency) END
           AS detail
FROM orders o
LEFT JOIN (
    SELECT order_id, count(*) AS lines, sum(line_total_minor) AS total FROM order_lines GROUP BY order_id
) l ON l.order_id = o.id
WHERE l.total IS DISTINCT FROM o.total_minor
