-- Movements are written in the order of their ids: to the end of an index, not to a page of each product's own.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS stock_movements_id ON stock_movements (id);
