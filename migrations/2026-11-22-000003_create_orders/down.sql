DROP TABLE idempotency_keys, order_history, order_lines, orders;
