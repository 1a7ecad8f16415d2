-- An order's history is an unbroken chain of steps that the state machine knows (two at once for money that came and
-- went before we heard of it), and ends where the order stands.
SELECT format('order %s', coalesce(o.number, steps.order_id::text)) AS subject, CASE
    WHEN steps.order_id IS NULL THEN 'it has no history'
    WHEN o.id IS NULL THEN 'it has a history, but does not exist'
    WHEN broken > 0 THEN 'a step of its history does not follow from the one before'
    WHEN impossible > 0 THEN 'its history has a step that orders cannot take'
    ELSE format('it is %s and %s, its history ends with %s', o.status, o.payment_status, ending) END AS detail
FROM orders o
FULL JOIN (
    SELECT order_id,
           count(*) FILTER (WHERE from_status IS DISTINCT FROM previous) AS broken,
           count(*) FILTER (WHERE from_status <> to_status AND (from_status, to_status) NOT IN (
               ('pending', 'paid'), ('expired', 'paid'), ('paid', 'shipped'), ('shipped', 'delivered'),
               ('pending', 'cancelled'), ('paid', 'cancelled'), ('pending', 'expired'), ('paid', 'refunded'),
               ('shipped', 'refunded'), ('delivered', 'refunded'), ('pending', 'refunded'), ('expired', 'refunded')))
               AS impossible,
           max(to_status || ' and ' || payment_status) FILTER (WHERE is_last) AS ending
    FROM (
        SELECT order_id, from_status, to_status, payment_status, lag(to_status) OVER steps AS previous,
               lead(version) OVER steps IS NULL AS is_last
        FROM order_history
        WINDOW steps AS (PARTITION BY order_id ORDER BY version)
    ) AS one
    GROUP BY order_id
) steps ON steps.order_id = o.id
WHERE broken > 0 OR impossible > 0 OR ending IS DISTINCT FROM o.status || ' and ' || o.payment_status
