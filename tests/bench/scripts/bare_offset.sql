\set category random(1, :categories)
\set skip 20 * random(0, 49)
SELECT p.id, p.seller_id, p.category_id, p.name, p.name_en, p.description, p.description_en, p.price_minor, p.currency,
       p.status, p.images, p.version, p.created_at, p.updated_at, s.available
FROM products p JOIN stock s ON s.product_id = p.id
WHERE p.status = 'published' AND p.category_id = :category
ORDER BY p.id DESC LIMIT 20 OFFSET :skip;
