-- For lists by status. Orders that wait for money are found as those that are due, and cost no entry here.
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_status ON orders (status, id) WHERE status <> 'pending';
