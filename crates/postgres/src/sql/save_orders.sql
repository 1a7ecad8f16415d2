-- Replaces each order's books with the ones decided on `decided_on`, and adds what comes with them, or leaves that order
-- as it is. Returns the orders that were saved.
-- Locks in the order that everyone keeps: orders ascending, then products ascending.
WITH input AS (
    SELECT $1 AS doc
), decided AS (
    SELECT n.*
    FROM input, jsonb_to_recordset(doc -> 'orders') AS n (
        id bigint, decided_on bigint, status text, payment_status text, refunded_minor bigint, holds_stock boolean,
        settled_by bigint, version bigint, due_at timestamptz, updated_at timestamptz)
), held AS MATERIALIZED (
    SELECT o.id FROM orders o WHERE o.id = ANY (ARRAY(SELECT id FROM decided)) ORDER BY o.id FOR NO KEY UPDATE
), guard AS (
    UPDATE orders o
    SET status = n.status, payment_status = n.payment_status, refunded_minor = n.refunded_minor,
        holds_stock = n.holds_stock, settled_by = n.settled_by, version = n.version, due_at = n.due_at,
        updated_at = n.updated_at
    FROM decided n
    WHERE o.id = ANY (ARRAY(SELECT id FROM held)) AND o.id = n.id AND o.version = n.decided_on
    RETURNING o.id
), event AS (
    INSERT INTO provider_events (id, kind, order_id, payload, received_at)
    SELECT e.id, e.kind, guard.id, e.payload, e.received_at
    FROM input, jsonb_to_recordset(doc -> 'events') AS e (
        of_order bigint, id text, kind text, payload text, received_at timestamptz)
    JOIN guard ON guard.id = e.of_order
), stock_changes AS (
    SELECT m.*
    FROM input, jsonb_to_recordset(doc -> 'stock') AS m (
        product_id bigint, kind text, delta bigint, order_id bigint, order_version bigint, at timestamptz)
    JOIN guard ON guard.id = m.order_id
), locked AS MATERIALIZED (
    SELECT s.product_id
    FROM stock s
    WHERE s.product_id IN (SELECT product_id FROM stock_changes)
    ORDER BY s.product_id
    FOR UPDATE
), moved AS (
    UPDATE stock s
    SET available = s.available + m.delta
    FROM (SELECT product_id, sum(delta) AS delta FROM stock_changes GROUP BY product_id) AS m, locked
    WHERE s.product_id = m.product_id AND locked.product_id = m.product_id
), movements AS (
    INSERT INTO stock_movements (product_id, kind, delta, order_id, order_version, at)
    SELECT * FROM stock_changes
), lines AS (
    UPDATE order_lines l
    SET fulfilment = n.fulfilment, shipment = n.shipment
    FROM guard, input, jsonb_to_recordset(doc -> 'lines') AS n (
        order_id bigint, product_id bigint, fulfilment text, shipment jsonb)
    WHERE guard.id = n.order_id AND l.order_id = guard.id AND l.product_id = n.product_id
      AND l.fulfilment <> n.fulfilment
), history AS (
    INSERT INTO order_history (order_id, version, at, from_status, to_status, payment_status, reason)
    SELECT h.*
    FROM input, jsonb_to_recordset(doc -> 'history') AS h (
        order_id bigint, version bigint, at timestamptz, from_status text, to_status text, payment_status text,
        reason text)
    JOIN guard ON guard.id = h.order_id
), payments_saved AS (
    INSERT INTO payments (
        id, order_id, intent_id, client_secret, currency, amount_minor, state, captured_minor, refunded_minor,
        last_error, failed_charges, create_request, attempt, cancel_requested, last_event_at, checked_at, created_at)
    SELECT p.*
    FROM input, jsonb_to_recordset(doc -> 'payments') AS p (
        id bigint, order_id bigint, intent_id text, client_secret text, currency text, amount_minor bigint,
        state text, captured_minor bigint, refunded_minor bigint, last_error jsonb, failed_charges text[],
        create_request jsonb, attempt jsonb, cancel_requested boolean, last_event_at timestamptz,
        checked_at timestamptz, created_at timestamptz)
    JOIN guard ON guard.id = p.order_id
    ON CONFLICT (id) DO UPDATE
    SET intent_id = excluded.intent_id, client_secret = excluded.client_secret, state = excluded.state,
        captured_minor = excluded.captured_minor, refunded_minor = excluded.refunded_minor,
        last_error = excluded.last_error, failed_charges = excluded.failed_charges, attempt = excluded.attempt,
        cancel_requested = excluded.cancel_requested, last_event_at = excluded.last_event_at,
        checked_at = excluded.checked_at
), refunds_saved AS (
    INSERT INTO refunds (
        id, payment_id, provider_refund_id, currency, amount_minor, status, acknowledged, reason, restock, restocked,
        origin, request, created_at)
    SELECT r.id, r.payment_id, r.provider_refund_id, r.currency, r.amount_minor, r.status, r.acknowledged, r.reason,
        r.restock, r.restocked, r.origin, r.request, r.created_at
    FROM input, jsonb_to_recordset(doc -> 'refunds') AS r (
        of_order bigint, id bigint, payment_id bigint, provider_refund_id text, currency text, amount_minor bigint, status text,
        acknowledged boolean, reason text, restock boolean, restocked boolean, origin text, request jsonb,
        created_at timestamptz)
    JOIN guard ON guard.id = r.of_order
    ON CONFLICT (id) DO UPDATE
    SET provider_refund_id = excluded.provider_refund_id, status = excluded.status,
        acknowledged = excluded.acknowledged, restocked = excluded.restocked, request = excluded.request
), disputes_saved AS (
    INSERT INTO disputes (id, payment_id, currency, amount_minor, open, withdrawn, status)
    SELECT d.id, d.payment_id, d.currency, d.amount_minor, d.open, d.withdrawn, d.status
    FROM input, jsonb_to_recordset(doc -> 'disputes') AS d (
        of_order bigint, id text, payment_id bigint, currency text, amount_minor bigint, open boolean,
        withdrawn boolean, status text)
    JOIN guard ON guard.id = d.of_order
    ON CONFLICT (id) DO UPDATE
    SET amount_minor = excluded.amount_minor, open = excluded.open, withdrawn = excluded.withdrawn,
        status = excluded.status
), ledger AS (
    INSERT INTO ledger_entries (order_id, payment_id, kind, currency, amount_minor, provider_object, at)
    SELECT e.*
    FROM input, jsonb_to_recordset(doc -> 'ledger') AS e (
        order_id bigint, payment_id bigint, kind text, currency text, amount_minor bigint, provider_object text,
        at timestamptz)
    JOIN guard ON guard.id = e.order_id
    ON CONFLICT (kind, provider_object) DO NOTHING
), mails AS (
    INSERT INTO outbox (mail)
    SELECT m.mail
    FROM input, jsonb_to_recordset(doc -> 'mails') AS m (of_order bigint, mail jsonb)
    JOIN guard ON guard.id = m.of_order
)
SELECT id FROM guard
