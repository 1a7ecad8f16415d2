ALTER TABLE orders DROP CONSTRAINT orders_settled_by;
DROP TABLE provider_events, ledger_entries, disputes, refunds, payments;
DROP TRIGGER stock_movements_are_immutable ON stock_movements;
DROP FUNCTION refuse_change;
