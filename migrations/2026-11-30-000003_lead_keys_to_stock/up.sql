-- A foreign key locks the row that it finds, and so writes to its page. An order writes to the stock of its products in
-- any case, and every stock has its product; to lock the products as well doubled what an order writes to the log.
-- Orders wait for these locks, and these for orders: rather try again than wait.
SET LOCAL lock_timeout = '800ms';
ALTER TABLE order_lines ADD CONSTRAINT order_lines_stock FOREIGN KEY (product_id) REFERENCES stock NOT VALID;
ALTER TABLE stock_movements ADD CONSTRAINT stock_movements_stock FOREIGN KEY (product_id) REFERENCES stock NOT VALID;
