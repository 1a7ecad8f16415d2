WITH taken AS (
    UPDATE bare.stock SET available = available - 1 WHERE product_id = 1 AND available >= 1 RETURNING product_id
), placed AS (
    INSERT INTO bare.orders (buyer_id, total_minor, status, created_at)
    SELECT 1, 1500, 'pending', now() FROM taken RETURNING id
)
INSERT INTO bare.order_lines (order_id, product_id, quantity, unit_price_minor)
SELECT placed.id, taken.product_id, 1, 1500 FROM placed, taken;
