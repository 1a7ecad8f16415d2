import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeServer, gateway, hangUp, ok, refuse, silence } from './fake-server.js';

const product = ok({ product: { id: 1 } });
const order = ok({ order: { id: 1 } }, 201);

const passing = {
  'a broken line': hangUp,
  'too many requests': refuse(429, 'rate_limited'),
  'a gateway without the API': gateway(502),
  'a gateway that waited in vain': gateway(504),
  'an overloaded server': refuse(503, 'overloaded'),
  'a silent server': silence,
};

for (const [name, trouble] of Object.entries(passing)) {
  const timeout = trouble === silence ? 500 : 30_000;
  test(`reading gets over ${name}`, async (t) => {
    const server = await fakeServer(t, trouble, trouble, trouble, product);
    assert.deepEqual(await server.shop({ timeout }).products.get(1), { id: 1 });
    assert.equal(server.seen.length, 4);
  });

  test(`a write with an idempotency key gets over ${name}, with the same key and bytes`, async (t) => {
    const server = await fakeServer(t, trouble, order);
    assert.deepEqual(await server.shop({ timeout }).orders.create({ note: '맵게' }), { id: 1 });
    const [first, second] = server.seen;
    assert.match(first.headers['idempotency-key'], /^[0-9a-f]{32}$/);
    assert.equal(second.headers['idempotency-key'], first.headers['idempotency-key']);
    assert.equal(second.body, '{"note":"맵게"}');
  });

  test(`a write without a key is sent once, though there is ${name}`, async (t) => {
    const server = await fakeServer(t, trouble, order);
    await assert.rejects(server.shop({ timeout }).orders.cancel(1));
    assert.equal(server.seen.length, 1);
    assert.equal(server.seen[0].headers['idempotency-key'], undefined);
  });
}

test('three retries, then the error comes out', async (t) => {
  const server = await fakeServer(t, refuse(503, 'database_unavailable'));
  await assert.rejects(server.shop().products.get(1), { code: 'database_unavailable', status: 503 });
  assert.equal(server.seen.length, 4);
});

test('a write that is still running elsewhere is asked for again', async (t) => {
  const server = await fakeServer(t, refuse(409, 'idempotency_in_progress'), order);
  assert.deepEqual(await server.shop().orders.create({}), { id: 1 });
});

for (const [status, code] of [
  [400, 'malformed_json'],
  [402, 'card_declined'],
  [409, 'out_of_stock'],
  [422, 'validation_failed'],
  [500, 'internal_error'],
  [502, 'payment_provider_error'],
]) {
  test(`${status} ${code} will not pass, so it is not tried again`, async (t) => {
    const server = await fakeServer(t, refuse(status, code));
    await assert.rejects(server.shop().payments.create({ order_id: 1 }), { code, status });
    assert.equal(server.seen.length, 1);
  });
}

test('Retry-After is the least that is waited', async (t) => {
  const server = await fakeServer(t, refuse(503, 'overloaded', { headers: { 'Retry-After': '1' } }), product);
  const start = performance.now();
  await server.shop().products.get(1);
  assert.ok(performance.now() - start >= 990);
});

test('who is told to wait long is told at once', async (t) => {
  const server = await fakeServer(t, refuse(429, 'rate_limited', { headers: { 'Retry-After': '3600' } }));
  await assert.rejects(server.shop().products.get(1), { code: 'rate_limited', retryAfter: 3600 });
  assert.equal(server.seen.length, 1);
});

test('Retry-After may be a date', async (t) => {
  const date = new Date(Date.now() + 3_600_000).toUTCString();
  const server = await fakeServer(t, refuse(503, 'overloaded', { headers: { 'Retry-After': date } }));
  const error = await server
    .shop()
    .products.get(1)
    .catch((error) => error);
  assert.ok(error.retryAfter > 3500 && error.retryAfter <= 3600, String(error.retryAfter));
});

test('two writes have two keys, unless the caller gives one', async (t) => {
  const server = await fakeServer(t, order);
  const shop = server.shop();
  await shop.orders.create({});
  await shop.orders.create({});
  await shop.orders.create({}, { idempotencyKey: 'cart-7' });
  const keys = server.seen.map((request) => request.headers['idempotency-key']);
  assert.notEqual(keys[0], keys[1]);
  assert.equal(keys[2], 'cart-7');
});
