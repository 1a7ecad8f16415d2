import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError, NetworkError, TimeoutError } from '../dist/index.js';
import { fakeServer, gateway, hangUp, ok, refuse, silence } from './fake-server.js';

const login = { email: 'a@example.com', password: 'wrong' };

test('a refusal tells people, programs and support what they need', async (t) => {
  const errors = { 'items.0.quantity': ['must be at least 1'] };
  const server = await fakeServer(t, refuse(422, 'validation_failed', { errors }));
  await assert.rejects(server.shop().orders.create({}), (error) => {
    assert.ok(error instanceof ApiError && error instanceof Error);
    assert.equal(error.name, 'ApiError');
    assert.equal(error.message, 'No: validation_failed');
    assert.equal(error.status, 422);
    assert.equal(error.code, 'validation_failed');
    assert.deepEqual(error.errors, errors);
    assert.equal(error.requestId, 'r-1');
    return true;
  });
});

test('a refusal carries its details, and no fields where none are wrong', async (t) => {
  const details = { items: [{ product_id: 1, requested: 3, available: 2 }] };
  const server = await fakeServer(t, refuse(409, 'out_of_stock', { details }));
  const error = await server
    .shop()
    .orders.create({})
    .catch((error) => error);
  assert.ok(error.is('out_of_stock') && !error.is('price_changed'));
  assert.deepEqual(error.details, details);
  assert.deepEqual(error.errors, {});
});

test('an answer that is not the API’s says so', async (t) => {
  const page = await fakeServer(t, gateway(403));
  await assert.rejects(page.shop().products.get(1), { name: 'ApiError', code: 'invalid_response', status: 403 });
  const portal = await fakeServer(t, gateway(200));
  await assert.rejects(portal.shop().products.get(1), { name: 'ApiError', code: 'invalid_response', status: 200 });
});

test('no answer is a network error, not a refusal', async (t) => {
  const server = await fakeServer(t, hangUp);
  await assert.rejects(server.shop().auth.login(login), (error) => {
    assert.ok(error instanceof NetworkError && !(error instanceof TimeoutError) && !(error instanceof ApiError));
    assert.ok(error.cause);
    return true;
  });
  assert.equal(server.seen.length, 1);
});

test('an answer that breaks off is a network error', async (t) => {
  const server = await fakeServer(t, (_, response) => {
    response.writeHead(200, { 'Content-Length': 100 });
    response.write('{"success":', () => response.destroy());
  });
  await assert.rejects(server.shop().auth.login(login), { name: 'NetworkError' });
});

test('no answer in time is a timeout, before the headers and within the body', async (t) => {
  const silent = await fakeServer(t, silence);
  await assert.rejects(silent.shop({ timeout: 50 }).auth.login(login), TimeoutError);
  const slow = await fakeServer(t, (_, response) => response.writeHead(200).write('{'));
  await assert.rejects(slow.shop().auth.login(login, { timeout: 50 }), { name: 'TimeoutError' });
});

test('the caller’s own signal ends a call with its own reason', async (t) => {
  const server = await fakeServer(t, silence);
  const controller = new AbortController();
  const call = server.shop().products.get(1, { signal: controller.signal });
  const reason = new Error('The user went elsewhere');
  controller.abort(reason);
  await assert.rejects(call, reason);
  await assert.rejects(server.shop().products.get(1, { signal: controller.signal }), reason);
});

test('a call cancelled between two attempts makes no other', async (t) => {
  const server = await fakeServer(t, refuse(503, 'overloaded', { headers: { 'Retry-After': '20' } }));
  const controller = new AbortController();
  const call = server
    .shop({
      fetch: async (...args) => {
        const response = await fetch(...args);
        setTimeout(() => controller.abort(), 20);
        return response;
      },
    })
    .products.get(1, { signal: controller.signal });
  await assert.rejects(call, { name: 'AbortError' });
  assert.equal(server.seen.length, 1);
});

test('requests say who asks, in which language, and for what', async (t) => {
  const server = await fakeServer(t, ok({ products: [], pagination: { next_cursor: null } }));
  const shop = server.shop({
    locale: 'ko',
    clientVersion: '1.2.0',
    deviceType: 'tablet',
    baseUrl: `${server.baseUrl}/`,
  });
  await shop.products.list({ q: '김치 & 고추', in_stock: false, min_price: undefined, limit: 5 });
  shop.locale = 'en';
  await shop.products.list();
  const [first, second] = server.seen;
  assert.equal(first.url, `/v1/products?${new URLSearchParams({ q: '김치 & 고추', in_stock: 'false', limit: '5' })}`);
  assert.equal(first.headers['accept-language'], 'ko');
  assert.equal(first.headers['x-client-version'], '1.2.0');
  assert.equal(first.headers['x-device-type'], 'tablet');
  assert.equal(second.url, '/v1/products');
  assert.equal(second.headers['accept-language'], 'en');
});

test('a list is walked to its end by cursor', async (t) => {
  const page = (ids, next_cursor) => ok({ products: ids.map((id) => ({ id })), pagination: { next_cursor } });
  const server = await fakeServer(t, page([1, 2], 'a+b'), page([3], null));
  const ids = [];
  for await (const product of server.shop().products.iterate({ sort: 'name', limit: 2 })) ids.push(product.id);
  assert.deepEqual(ids, [1, 2, 3]);
  assert.deepEqual(
    server.seen.map((request) => request.url),
    ['/v1/products?sort=name&limit=2', '/v1/products?sort=name&limit=2&cursor=a%2Bb'],
  );
});
