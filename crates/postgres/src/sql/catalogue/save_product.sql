WITH input AS (
    SELECT $1 AS id, $2 AS decided_on, $3 AS category_id, $4 AS name, $5 AS name_en, $6 AS description,
           $7 AS description_en, $8 AS price_minor, $9 AS currency, $10 AS status, $11 AS images,
           $12 AS available, $13 AS actor_id, $14 AS now
), product AS (
    UPDATE products p
    SET category_id = input.category_id, name = input.name, name_en = input.name_en, description = input.description,
        description_en = input.description_en, price_minor = input.price_minor, currency = input.currency,
        status = input.status, images = input.images, version = p.version + 1, updated_at = input.now
    FROM input
    WHERE p.id = input.id AND p.version = input.decided_on
    RETURNING p.id, p.seller_id, p.category_id, p.name, p.name_en, p.description, p.description_en, p.price_minor,
              p.currency, p.status, p.images, p.version, p.created_at, p.updated_at
), held AS MATERIALIZED ( -- As it is now, not as it was when the statement began.
    SELECT s.product_id, s.available
    FROM input, product JOIN stock s ON s.product_id = product.id
    WHERE input.available IS NOT NULL
    FOR UPDATE OF s
), counted AS (
    UPDATE stock s
    SET available = input.available
    FROM input, held
    WHERE s.product_id = held.product_id AND held.available <> input.available
), movement AS (
    INSERT INTO stock_movements (product_id, kind, delta, actor_id, at)
    SELECT held.product_id, 'change', input.available - held.available, input.actor_id, input.now
    FROM input, held
    WHERE held.available <> input.available
)
SELECT product.*, coalesce(input.available, s.available) AS available
FROM input, product JOIN stock s ON s.product_id = product.id
