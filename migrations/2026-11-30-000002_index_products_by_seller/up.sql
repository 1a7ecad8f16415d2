-- Like `products_seller`, and unique, so that a foreign key can point to it.
CREATE UNIQUE INDEX CONCURRENTLY products_of_seller ON products (seller_id, id);
