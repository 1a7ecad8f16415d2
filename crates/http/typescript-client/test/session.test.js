import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpicyJump, memoryStore, webStore } from '../dist/index.js';
import { fakeServer, hangUp, ok, refuse } from './fake-server.js';

const tokens = (n) => ({ access_token: `access-${n}`, refresh_token: `refresh-${n}` });
const session = (n) => ({ ...tokens(n), user: { id: n }, token_type: 'Bearer', expires_in: 900 });

/** A shop where access token 1 has expired and `refresh` answers the refresh; `valid` is good. */
async function expired(t, refresh, { valid = 'access-2', ...options } = {}) {
  const tokenStore = memoryStore();
  tokenStore.set(tokens(1));
  const signedOut = [];
  const server = await fakeServer(t, (request, response, body) => {
    if (request.url === '/v1/auth/refresh') return refresh(request, response, body);
    if (request.headers.authorization === `Bearer ${valid}`) return ok({ user: { id: 7 } })(request, response);
    return refuse(401, 'token_expired')(request, response);
  });
  const shop = server.shop({ tokenStore, onSignedOut: () => signedOut.push(true), ...options });
  return { ...server, shop, tokenStore, signedOut };
}
const refreshes = (server) => server.seen.filter((request) => request.url === '/v1/auth/refresh');

test('signing in is remembered, and signing out forgets', async (t) => {
  const server = await fakeServer(t, ok(session(1)), ok({ user: { id: 1 } }), ok({}));
  const shop = server.shop();
  assert.equal(await shop.auth.isSignedIn(), false);
  assert.deepEqual(await shop.auth.login({ email: 'a@example.com', password: 'x' }), { id: 1 });
  await shop.auth.me();
  assert.equal(await shop.auth.isSignedIn(), true);
  await shop.auth.logout();
  assert.equal(await shop.auth.isSignedIn(), false);
  const [login, me, logout] = server.seen;
  assert.equal(login.headers.authorization, undefined);
  assert.equal(me.headers.authorization, 'Bearer access-1');
  assert.equal(logout.body, '{"refresh_token":"refresh-1"}');
});

test('signing out works here though the server is away', async (t) => {
  const server = await fakeServer(t, hangUp);
  const tokenStore = memoryStore();
  tokenStore.set(tokens(1));
  const shop = server.shop({ tokenStore });
  await assert.rejects(shop.auth.logout(), { name: 'NetworkError' });
  assert.equal(tokenStore.get(), null);
});

test('many requests with an expired token share one refresh and are each sent once more', async (t) => {
  const server = await expired(t, ok(session(2)));
  const users = await Promise.all(Array.from({ length: 8 }, () => server.shop.auth.me()));
  assert.deepEqual(users, Array(8).fill({ id: 7 }));
  assert.deepEqual(
    refreshes(server).map((request) => request.body),
    ['{"refresh_token":"refresh-1"}'],
  );
  assert.equal(refreshes(server)[0].headers.authorization, undefined);
  assert.equal(server.seen.length, 8 + 1 + 8);
  assert.deepEqual(server.tokenStore.get(), tokens(2));
});

test('a write that met an expired token is sent once more, with its key', async (t) => {
  const server = await expired(t, ok(session(2)));
  await server.shop.orders.create({});
  const [first, , second] = server.seen;
  assert.equal(second.headers['idempotency-key'], first.headers['idempotency-key']);
});

test('a token that another tab has refreshed is taken over', async (t) => {
  const server = await expired(t, refuse(401, 'invalid_token'));
  const { tokenStore } = server;
  const original = tokenStore.get;
  let reads = 0;
  // Between this tab's request and its refresh.
  tokenStore.get = () => ((reads += 1) === 2 ? (tokenStore.set(tokens(2)), original()) : original());
  assert.deepEqual(await server.shop.auth.me(), { id: 7 });
  assert.equal(refreshes(server).length, 0);
});

test('tabs that share their tokens spend the refresh token once', async (t) => {
  // As browsers have it: one holder of a lock at a time.
  let queue = Promise.resolve();
  const request = (_, task) => (queue = queue.then(task, task));
  const original = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { locks: { request } } });
  t.after(() => {
    delete globalThis.navigator;
    if (original) Object.defineProperty(globalThis, 'navigator', original);
  });
  const server = await expired(t, ok(session(2)));
  const { baseUrl, tokenStore } = server;
  const tabs = [server.shop, new SpicyJump({ baseUrl, tokenStore }), new SpicyJump({ baseUrl, tokenStore })];
  await Promise.all(tabs.map((tab) => tab.auth.me()));
  assert.equal(refreshes(server).length, 1);
  assert.equal(server.signedOut.length, 0);
});

test('a refused refresh signs out once, however many asked', async (t) => {
  const server = await expired(t, refuse(401, 'invalid_token'));
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => server.shop.auth.me()));
  assert.deepEqual(
    outcomes.map(({ reason }) => reason.status),
    [401, 401, 401],
  );
  assert.equal(refreshes(server).length, 1);
  assert.equal(server.signedOut.length, 1);
  assert.equal(server.tokenStore.get(), null);
});

test('a refresh that nobody answered signs nobody out, and the next request tries again', async (t) => {
  let away = true;
  const server = await expired(t, (...args) => (away ? hangUp : ok(session(2)))(...args));
  await assert.rejects(server.shop.auth.updateMe({ name: 'Kim' }), { name: 'NetworkError' });
  assert.equal(refreshes(server).length, 1);
  assert.deepEqual(server.tokenStore.get(), tokens(1));
  assert.equal(server.signedOut.length, 0);
  away = false;
  assert.deepEqual(await server.shop.auth.me(), { id: 7 });
});

test('a token that is expired again at once is not refreshed forever', async (t) => {
  const server = await expired(t, ok(session(2)), { valid: 'none' });
  await assert.rejects(server.shop.auth.me(), { code: 'token_expired' });
  assert.equal(refreshes(server).length, 1);
});

test('signing out while a refresh runs stays signed out', async (t) => {
  let answer;
  const asked = new Promise((resolve) => {
    answer = (request, response) => resolve(() => ok(session(2))(request, response));
  });
  const server = await expired(t, (...args) => answer(...args));
  const me = server.shop.auth.me();
  const goOn = await asked;
  await server.shop.auth.logout().catch(() => {});
  goOn();
  await me;
  assert.equal(server.tokenStore.get(), null);
});

test('a call ends with its signal though the refresh that it shares goes on', async (t) => {
  const controller = new AbortController();
  const server = await expired(t, () => controller.abort());
  await assert.rejects(server.shop.auth.me({ signal: controller.signal }), { name: 'AbortError' });
});

test('a token that the server does not know signs out', async (t) => {
  const tokenStore = memoryStore();
  tokenStore.set(tokens(1));
  const server = await fakeServer(t, refuse(401, 'invalid_token'));
  let signedOut = 0;
  const shop = server.shop({ tokenStore, onSignedOut: () => (signedOut += 1) });
  await assert.rejects(shop.auth.me(), { code: 'invalid_token' });
  assert.equal(signedOut, 1);
  assert.equal(tokenStore.get(), null);
  await assert.rejects(shop.auth.resetPassword({ token: 'old', password: 'x' }), { code: 'invalid_token' });
  assert.equal(signedOut, 1);
});

test('a wrong password signs nobody out', async (t) => {
  const tokenStore = memoryStore();
  tokenStore.set(tokens(1));
  const server = await fakeServer(t, refuse(401, 'invalid_credentials'));
  const change = server.shop({ tokenStore }).auth.updateMe({ password: 'x', current_password: 'y' });
  await assert.rejects(change, { code: 'invalid_credentials' });
  assert.deepEqual(tokenStore.get(), tokens(1));
});

test('a browser’s storage keeps the session', () => {
  const held = new Map([['spicyjump', 'not json']]);
  const store = webStore({
    getItem: (key) => held.get(key) ?? null,
    setItem: (key, value) => held.set(key, value),
    removeItem: (key) => held.delete(key),
  });
  assert.equal(store.get(), null);
  store.set(tokens(1));
  assert.deepEqual(store.get(), tokens(1));
  store.set(null);
  assert.equal(held.size, 0);
});
