SELECT p.id, p.seller_id, p.category_id, p.name, p.name_en, p.description, p.description_en, p.price_minor, p.currency,
       p.status, p.images, p.version, p.created_at, p.updated_at, s.available
FROM products p JOIN stock s ON s.product_id = p.id
WHERE p.id = ANY($1)
