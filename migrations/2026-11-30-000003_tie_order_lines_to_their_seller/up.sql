-- A line's seller is its product's: one foreign key says so, and what two said before.
ALTER TABLE order_lines ADD CONSTRAINT order_lines_product_and_seller
    FOREIGN KEY (seller_id, product_id) REFERENCES products (seller_id, id) NOT VALID;
ALTER TABLE order_lines VALIDATE CONSTRAINT order_lines_product_and_seller;
ALTER TABLE order_lines DROP CONSTRAINT order_lines_product_id_fkey, DROP CONSTRAINT order_lines_seller_id_fkey;
DROP INDEX products_seller;
