-- Moments, but of locks that everybody waits for: rather try again than wait.
SET LOCAL lock_timeout = '800ms';
ALTER TABLE order_lines DROP CONSTRAINT order_lines_product_id_fkey;
ALTER TABLE stock_movements DROP CONSTRAINT stock_movements_product_id_fkey;
ALTER TABLE stock_movements DROP CONSTRAINT stock_movements_pkey,
    ADD CONSTRAINT stock_movements_pkey PRIMARY KEY USING INDEX stock_movements_id;
