DROP INDEX CONCURRENTLY stock_movements_id;
