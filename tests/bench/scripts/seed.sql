-- Products spread evenly over their categories, as many pieces of each as a run can want. Half of them are traditional,
-- up to 29.99 dollars; the others are handmade: words that are frequent and never meet.
INSERT INTO users (email, password_hash, name, role, locale, created_at)
VALUES ('seller@bench.test', 'none', 'Seoul Pantry', 'seller', 'en', now());

INSERT INTO categories (name, name_en)
SELECT '매운 것 ' || n, 'Spicy things ' || n FROM generate_series(1, :categories) AS n;

INSERT INTO products (id, seller_id, category_id, name, name_en, description, description_en, price_minor, currency,
                      status, images, created_at, updated_at)
SELECT n, u.id, n % :categories + 1, '매운 라면 ' || n, 'Spicy ramen ' || n,
       '서울에서 온 매운 라면. 다섯 봉지가 한 묶음입니다. 번호 ' || n,
       CASE WHEN n % 5000 < 2500 THEN 'Traditional' ELSE 'Handmade' END
           || ' spicy ramen from Seoul, five packs in a bundle. Number ' || n,
       500 + n % 5000, 'USD', 'published', '{}', now(), now()
FROM generate_series(1, :products) AS n, users u
WHERE u.email = 'seller@bench.test';
SELECT setval(pg_get_serial_sequence('products', 'id'), :products);

INSERT INTO stock (product_id, available) SELECT n, 1000000 FROM generate_series(1, :products) AS n;
INSERT INTO stock_movements (product_id, kind, delta, at)
SELECT n, 'opening', 1000000, now() FROM generate_series(1, :products) AS n;

-- What autovacuum does to a shop that lives for a while. Not tables that are empty: a check of a foreign key that is
-- planned while its table is known to be empty reads all of it, however much it grows, until it is analyzed again.
ANALYZE users, categories, products, stock, stock_movements;

-- And files for its log. A new database makes each when it is needed, of 16 MB of zeros, and whoever commits waits for
-- that: one in a hundred for 60 to 90 ms in place of 20, whatever the program.
SELECT count(pg_logical_emit_message(false, 'bench', repeat('x', 1000000))) FROM generate_series(1, 900);
CHECKPOINT;
