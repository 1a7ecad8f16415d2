\set id random(1, 200000)
\set event random(1, 1000000000000)
WITH event AS (
    INSERT INTO bare.events (id, payload) VALUES ('evt_' || :event, repeat('x', 1500))
    ON CONFLICT DO NOTHING RETURNING id
)
UPDATE bare.orders SET status = 'paid' FROM event WHERE orders.id = :id;
