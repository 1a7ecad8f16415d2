-- A foreign key locks the row that it finds, and so writes to its page. An order writes to the stock of its products in
-- any case, and every stock has its product; to lock the products as well doubled what an order writes to the log.
ALTER TABLE order_lines ADD CONSTRAINT order_lines_stock FOREIGN KEY (product_id) REFERENCES stock NOT VALID;
ALTER TABLE order_lines VALIDATE CONSTRAINT order_lines_stock;
ALTER TABLE order_lines DROP CONSTRAINT order_lines_product_id_fkey;
ALTER TABLE stock_movements ADD CONSTRAINT stock_movements_stock FOREIGN KEY (product_id) REFERENCES stock NOT VALID;
ALTER TABLE stock_movements VALIDATE CONSTRAINT stock_movements_stock;
ALTER TABLE stock_movements DROP CONSTRAINT stock_movements_product_id_fkey;

ALTER TABLE stock_movements DROP CONSTRAINT stock_movements_pkey,
    ADD CONSTRAINT stock_movements_pkey PRIMARY KEY USING INDEX stock_movements_id;
