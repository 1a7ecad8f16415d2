\set a random(1, :products - 1)
WITH taken AS (
    UPDATE bare.stock SET available = available - 1 WHERE product_id IN (:a, :a + 1) RETURNING product_id
), placed AS (
    INSERT INTO bare.orders (buyer_id, total_minor, status, created_at)
    SELECT 1, 1500, 'pending', now() FROM taken HAVING count(*) = 2 RETURNING id
)
INSERT INTO bare.order_lines (order_id, product_id, quantity, unit_price_minor)
SELECT placed.id, taken.product_id, 1, 750 FROM placed, taken;
