-- A foreign key runs a query per row: for the ten of an order, a third of what PostgreSQL had to do for it. Rows that
-- come in batches are looked up together, by statement. That is enough where nothing they lead to can go away.
-- See docs/adr/0008-keys-by-statement.md.
SET LOCAL lock_timeout = '800ms';
-- Those first that a vacuum may be at for long: what waits for them holds nothing yet.
LOCK TABLE stock_movements, order_lines, order_history, orders, stock, users IN ACCESS EXCLUSIVE MODE;

CREATE FUNCTION refuse_loss() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% keeps its rows, and they keep their keys', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER users_are_kept BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON users
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER stock_is_kept BEFORE DELETE OR TRUNCATE OR UPDATE OF product_id ON stock
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER orders_are_kept BEFORE DELETE OR TRUNCATE OR UPDATE OF id, buyer_id ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER order_lines_are_kept BEFORE DELETE OR TRUNCATE OR UPDATE OF order_id, product_id, seller_id ON order_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER order_history_is_immutable BEFORE DELETE OR TRUNCATE OR UPDATE ON order_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Each is a question per row to an index, and no join: a session keeps its plan while the tables grow.
CREATE FUNCTION require_buyers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added a WHERE (SELECT true FROM users u WHERE u.id = a.buyer_id) IS NULL) THEN
        RAISE foreign_key_violation USING MESSAGE = TG_TABLE_NAME || ' without its buyer', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION require_sellers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added a WHERE (SELECT true FROM users u WHERE u.id = a.seller_id) IS NULL) THEN
        RAISE foreign_key_violation USING MESSAGE = TG_TABLE_NAME || ' without its seller', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION require_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added a WHERE (SELECT true FROM orders o WHERE o.id = a.order_id) IS NULL) THEN
        RAISE foreign_key_violation USING MESSAGE = TG_TABLE_NAME || ' without its order', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION require_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added a WHERE (SELECT true FROM stock s WHERE s.product_id = a.product_id) IS NULL) THEN
        RAISE foreign_key_violation USING MESSAGE = TG_TABLE_NAME || ' without its stock', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;

ALTER TABLE orders DROP CONSTRAINT orders_buyer_id_fkey;
CREATE TRIGGER orders_have_a_buyer AFTER INSERT ON orders REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_buyers();

ALTER TABLE order_lines DROP CONSTRAINT order_lines_order_id_fkey,
    DROP CONSTRAINT order_lines_seller_id_fkey,
    DROP CONSTRAINT order_lines_stock;
CREATE TRIGGER order_lines_have_an_order AFTER INSERT ON order_lines REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_orders();
CREATE TRIGGER order_lines_have_a_seller AFTER INSERT ON order_lines REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_sellers();
CREATE TRIGGER order_lines_have_stock AFTER INSERT ON order_lines REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_stock();

ALTER TABLE order_history DROP CONSTRAINT order_history_order_id_fkey;
CREATE TRIGGER order_history_has_an_order AFTER INSERT ON order_history REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_orders();

ALTER TABLE stock_movements DROP CONSTRAINT stock_movements_stock;
CREATE TRIGGER stock_movements_have_stock AFTER INSERT ON stock_movements REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION require_stock();
