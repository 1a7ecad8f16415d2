-- What an order says of itself fits its status.
SELECT format('order %s', number) AS subject, format('it is %s, but %s', status, contradiction) AS detail
FROM (
    SELECT o.number, o.status, CASE
        WHEN o.holds_stock AND o.status IN ('cancelled', 'expired') THEN 'still owns stock'
        WHEN NOT o.holds_stock AND o.status IN ('pending', 'paid', 'shipped', 'delivered') THEN 'owns no stock'
        WHEN o.settled_by IS NOT NULL AND o.status IN ('pending', 'expired') THEN 'names a payment that settled it'
        WHEN l.gone AND o.status IN ('pending', 'cancelled', 'expired') THEN 'a line of it is on its way'
        WHEN l.all_gone AND o.status = 'paid' THEN 'all of its lines are on their way'
        WHEN l.waits AND o.status IN ('shipped', 'delivered') THEN 'a line of it was never shipped'
        WHEN l.all_there AND o.status = 'shipped' THEN 'all of its lines have arrived'
        WHEN NOT l.all_there AND o.status = 'delivered' THEN 'a line of it has not arrived'
        END AS contradiction
    FROM orders o
    LEFT JOIN (
        SELECT order_id, bool_or(fulfilment <> 'unfulfilled') AS gone, bool_and(fulfilment <> 'unfulfilled') AS all_gone,
               bool_or(fulfilment = 'unfulfilled') AS waits, bool_and(fulfilment = 'delivered') AS all_there
        FROM order_lines
        GROUP BY order_id
    ) l ON l.order_id = o.id
) AS judged
WHERE contradiction IS NOT NULL
