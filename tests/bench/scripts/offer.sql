WITH product AS (
    INSERT INTO products (seller_id, name, name_en, price_minor, currency, status, created_at, updated_at)
    SELECT id, '반짝 세일', 'Flash sale', 1500, 'USD', 'published', now(), now()
    FROM users WHERE email = 'seller@bench.test'
    RETURNING id
), pieces AS (
    INSERT INTO stock (product_id, available) SELECT id, $1 FROM product
), opening AS (
    INSERT INTO stock_movements (product_id, kind, delta, at) SELECT id, 'opening', $1, now() FROM product
)
SELECT id FROM product
