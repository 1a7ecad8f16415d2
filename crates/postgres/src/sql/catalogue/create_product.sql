WITH input AS (
    SELECT $1 AS seller_id, $2 AS category_id, $3 AS name, $4 AS name_en, $5 AS description, $6 AS description_en,
           $7 AS price_minor, $8 AS currency, $9 AS status, $10 AS images, $11 AS available, $12 AS now
), product AS (
    INSERT INTO products (
        seller_id, category_id, name, name_en, description, description_en, price_minor, currency, status, images,
        created_at, updated_at)
    SELECT seller_id, category_id, name, name_en, description, description_en, price_minor, currency, status, images,
           now, now
    FROM input
    RETURNING id, seller_id, category_id, name, name_en, description, description_en, price_minor, currency, status,
              images, version, created_at, updated_at
), counted AS (
    INSERT INTO stock (product_id, available) SELECT product.id, input.available FROM input, product
), opening AS (
    INSERT INTO stock_movements (product_id, kind, delta, actor_id, at)
    SELECT product.id, 'opening', input.available, product.seller_id, input.now FROM input, product
)
SELECT product.*, input.available FROM input, product
