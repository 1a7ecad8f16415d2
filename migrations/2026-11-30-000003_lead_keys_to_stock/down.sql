ALTER TABLE stock_movements DROP CONSTRAINT stock_movements_stock;
ALTER TABLE order_lines DROP CONSTRAINT order_lines_stock;
