CREATE INDEX products_seller ON products (seller_id, id);
ALTER TABLE order_lines
    ADD CONSTRAINT order_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES products,
    ADD CONSTRAINT order_lines_seller_id_fkey FOREIGN KEY (seller_id) REFERENCES users;
ALTER TABLE order_lines DROP CONSTRAINT order_lines_product_and_seller;
