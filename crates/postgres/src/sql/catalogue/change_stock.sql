WITH input AS (
    SELECT $1 AS product_id, $2 AS delta, $3 AS reason, $4 AS actor_id, $5 AS now
), held AS MATERIALIZED (
    SELECT s.product_id, s.available
    FROM input, stock s
    WHERE s.product_id = input.product_id
    FOR UPDATE OF s
), changed AS (
    UPDATE stock s
    SET available = s.available + input.delta
    FROM input, held
    WHERE s.product_id = held.product_id AND held.available + input.delta >= 0
    RETURNING s.product_id, s.available
), movement AS (
    INSERT INTO stock_movements (product_id, kind, delta, reason, actor_id, at)
    SELECT changed.product_id, 'change', input.delta, input.reason, input.actor_id, input.now FROM input, changed
)
SELECT p.id, p.seller_id, p.category_id, p.name, p.name_en, p.description, p.description_en, p.price_minor, p.currency,
       p.status, p.images, p.version, p.created_at, p.updated_at, coalesce(changed.available, held.available) AS available,
       changed.product_id IS NOT NULL AS done
FROM held JOIN products p ON p.id = held.product_id LEFT JOIN changed ON true
