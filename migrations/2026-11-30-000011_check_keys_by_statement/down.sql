ALTER TABLE stock_movements ADD CONSTRAINT stock_movements_stock FOREIGN KEY (product_id) REFERENCES stock;
ALTER TABLE order_history ADD CONSTRAINT order_history_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders;
ALTER TABLE order_lines ADD CONSTRAINT order_lines_stock FOREIGN KEY (product_id) REFERENCES stock,
    ADD CONSTRAINT order_lines_seller_id_fkey FOREIGN KEY (seller_id) REFERENCES users,
    ADD CONSTRAINT order_lines_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders;
ALTER TABLE orders ADD CONSTRAINT orders_buyer_id_fkey FOREIGN KEY (buyer_id) REFERENCES users;

DROP FUNCTION require_stock, require_orders, require_sellers, require_buyers, refuse_loss CASCADE;
DROP TRIGGER order_history_is_immutable ON order_history;
