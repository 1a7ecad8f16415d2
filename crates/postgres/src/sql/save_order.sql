-- Replaces an order's books with the ones decided on `decided_on`, and adds what comes with them, or does nothing.
-- Locks in the order that everyone keeps: the order, then products ascending.
WITH input AS (
    SELECT $1 AS doc
), guard AS (
    UPDATE orders o
    SET status = n.status, payment_status = n.payment_status, refunded_minor = n.refunded_minor,
        holds_stock = n.holds_stock, settled_by = n.settled_by, version = n.version, due_at = n.due_at,
        updated_at = n.updated_at
    FROM input, jsonb_to_record(doc -> 'order') AS n (
        id bigint, status text, payment_status text, refunded_minor bigint, holds_stock boolean, settled_by bigint,
        version bigint, due_at timestamptz, updated_at timestamptz)
    WHERE o.id = n.id AND o.version = (doc ->> 'decided_on')::bigint
    RETURNING o.id
), event AS (
    INSERT INTO provider_events (id, kind, order_id, payload, received_at)
    SELECT e.id, e.kind, guard.id, e.payload, e.received_at
    FROM guard, input, jsonb_to_recordset(doc -> 'events') AS e (
        id text, kind text, payload text, received_at timestamptz)
), locked AS MATERIALIZED (
    SELECT s.product_id
    FROM stock s
    WHERE EXISTS (SELECT FROM guard)
      AND s.product_id IN (SELECT m.product_id FROM input, jsonb_to_recordset(doc -> 'stock') AS m (product_id bigint))
    ORDER BY s.product_id
    FOR UPDATE
), moved AS (
    UPDATE stock s
    SET available = s.available + m.delta
    FROM input, jsonb_to_recordset(doc -> 'stock') AS m (product_id bigint, delta bigint), locked
    WHERE s.product_id = m.product_id AND locked.product_id = m.product_id
), movements AS (
    INSERT INTO stock_movements (product_id, kind, delta, order_id, order_version, at)
    SELECT m.product_id, m.kind, m.delta, m.order_id, m.order_version, m.at
    FROM guard, input, jsonb_to_recordset(doc -> 'stock') AS m (
        product_id bigint, kind text, delta bigint, order_id bigint, order_version bigint, at timestamptz)
), lines AS (
    UPDATE order_lines l
    SET fulfilment = n.fulfilment, shipment = n.shipment
    FROM guard, input, jsonb_to_recordset(doc -> 'lines') AS n (product_id bigint, fulfilment text, shipment jsonb)
    WHERE l.order_id = guard.id AND l.product_id = n.product_id AND l.fulfilment <> n.fulfilment
), history AS (
    INSERT INTO order_history (order_id, version, at, from_status, to_status, payment_status, reason)
    SELECT h.order_id, h.version, h.at, h.from_status, h.to_status, h.payment_status, h.reason
    FROM guard, input, jsonb_to_recordset(doc -> 'history') AS h (
        order_id bigint, version bigint, at timestamptz, from_status text, to_status text, payment_status text,
        reason text)
), payments_saved AS (
    INSERT INTO payments (
        id, order_id, intent_id, client_secret, currency, amount_minor, state, captured_minor, refunded_minor,
        last_error, failed_charges, create_request, attempt, cancel_requested, last_event_at, checked_at, created_at)
    SELECT p.*
    FROM guard, input, jsonb_to_recordset(doc -> 'payments') AS p (
        id bigint, order_id bigint, intent_id text, client_secret text, currency text, amount_minor bigint,
        state text, captured_minor bigint, refunded_minor bigint, last_error jsonb, failed_charges text[],
        create_request jsonb, attempt jsonb, cancel_requested boolean, last_event_at timestamptz,
        checked_at timestamptz, created_at timestamptz)
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
    SELECT r.*
    FROM guard, input, jsonb_to_recordset(doc -> 'refunds') AS r (
        id bigint, payment_id bigint, provider_refund_id text, currency text, amount_minor bigint, status text,
        acknowledged boolean, reason text, restock boolean, restocked boolean, origin text, request jsonb,
        created_at timestamptz)
    ON CONFLICT (id) DO UPDATE
    SET provider_refund_id = excluded.provider_refund_id, status = excluded.status,
        acknowledged = excluded.acknowledged, restocked = excluded.restocked, request = excluded.request
), disputes_saved AS (
    INSERT INTO disputes (id, payment_id, currency, amount_minor, open, withdrawn, status)
    SELECT d.*
    FROM guard, input, jsonb_to_recordset(doc -> 'disputes') AS d (
        id text, payment_id bigint, currency text, amount_minor bigint, open boolean, withdrawn boolean, status text)
    ON CONFLICT (id) DO UPDATE
    SET open = excluded.open, withdrawn = excluded.withdrawn, status = excluded.status
), ledger AS (
    INSERT INTO ledger_entries (order_id, payment_id, kind, currency, amount_minor, provider_object, at)
    SELECT e.*
    FROM guard, input, jsonb_to_recordset(doc -> 'ledger') AS e (
        order_id bigint, payment_id bigint, kind text, currency text, amount_minor bigint, provider_object text,
        at timestamptz)
    ON CONFLICT (kind, provider_object) DO NOTHING
), mails AS (
    INSERT INTO outbox (mail)
    SELECT mail FROM guard, input, jsonb_array_elements(doc -> 'mails') AS mail
)
SELECT jsonb_build_object('saved', EXISTS (SELECT FROM guard)) AS doc
