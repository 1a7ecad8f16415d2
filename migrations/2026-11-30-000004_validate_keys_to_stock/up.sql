-- Reads all lines and movements, while others write.
ALTER TABLE order_lines VALIDATE CONSTRAINT order_lines_stock;
ALTER TABLE stock_movements VALIDATE CONSTRAINT stock_movements_stock;
