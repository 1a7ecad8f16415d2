import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../dist/index.js';
import { EventParser } from '../dist/sse.js';
import { fakeServer, gateway, hangUp, refuse } from './fake-server.js';

const status = (id, status) => `event: status\nid: ${id}\ndata: {"order_id":7,"status":"${status}"}\n\n`;

/** Streams these pieces, then ends, or stays open. */
const stream =
  (pieces, { end = true } = {}) =>
  (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=UTF-8' });
    for (const piece of pieces) response.write(piece);
    if (end) response.end();
  };
const stay = { end: false };

/** The statuses of the first `count` events, and what the server was asked. */
async function watched(t, count, steps, options) {
  const server = await fakeServer(t, ...steps);
  const statuses = [];
  for await (const event of server.shop().orders.watch(7, options)) {
    statuses.push(event.status);
    if (statuses.length === count) break;
  }
  return { statuses, seen: server.seen };
}

test('a watch tells the present state and each change', async (t) => {
  const events = stream([': alive\n\n', status(1, 'pending'), status(2, 'paid')], stay);
  const { statuses, seen } = await watched(t, 2, [events]);
  assert.deepEqual(statuses, ['pending', 'paid']);
  assert.equal(seen[0].url, '/v1/orders/7/events');
  assert.equal(seen[0].headers.accept, 'text/event-stream');
  assert.equal(seen[0].headers['last-event-id'], undefined);
});

test('a lost connection is taken up where it broke off, and nothing is told twice', async (t) => {
  const steps = [
    stream([status(1, 'pending')]),
    hangUp,
    refuse(503, 'overloaded'),
    gateway(502),
    stream([status(1, 'pending'), status(2, 'paid')]),
    (_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write(status(3, 'shipped') + 'event: status\nid: 4\ndata: {"half', () => response.destroy());
    },
    stream([status(4, 'delivered')], stay),
  ];
  const { statuses, seen } = await watched(t, 4, steps);
  assert.deepEqual(statuses, ['pending', 'paid', 'shipped', 'delivered']);
  const ids = seen.map((request) => request.headers['last-event-id']);
  assert.deepEqual(ids, [undefined, '1', '1', '1', '1', '2', '3']);
});

test('a connection without a sign of life is made anew', async (t) => {
  const steps = [stream([status(1, 'pending')], stay), stream([status(2, 'paid')], stay)];
  const { statuses } = await watched(t, 2, steps, { silence: 300 });
  assert.deepEqual(statuses, ['pending', 'paid']);
});

test('a refusal that will not pass ends the watch', async (t) => {
  const server = await fakeServer(t, refuse(404, 'order_not_found'));
  await assert.rejects(server.shop().orders.watch(7).next(), { code: 'order_not_found' });
  assert.equal(server.seen.length, 1);
});

test('what is no event stream ends the watch', async (t) => {
  const server = await fakeServer(t, gateway(200));
  await assert.rejects(server.shop().orders.watch(7).next(), { code: 'invalid_response' });
});

test('the signal ends a watch quietly, whatever it waits for', async (t) => {
  const streaming = await fakeServer(t, stream([status(1, 'pending')], stay));
  const controller = new AbortController();
  const { signal } = controller;
  for await (const _ of streaming.shop().orders.watch(7, { signal })) controller.abort();
  for await (const _ of streaming.shop().orders.watch(7, { signal })) assert.fail('it was over before it began');
  assert.equal(streaming.seen.length, 1);

  const away = await fakeServer(t, refuse(503, 'overloaded', { headers: { 'Retry-After': '3600' } }));
  const pausing = new AbortController();
  const fetchOnce = async (...args) => {
    const response = await fetch(...args);
    setTimeout(() => pausing.abort(), 20);
    return response;
  };
  const watch = away.shop({ fetch: fetchOnce }).orders.watch(7, { signal: pausing.signal });
  assert.deepEqual(await watch.next(), { done: true, value: undefined });
});

test('the signal ends a watch that waits for a fresh token', async (t) => {
  const tokenStore = memoryStore();
  tokenStore.set({ access_token: 'old', refresh_token: 'r' });
  const controller = new AbortController();
  const server = await fakeServer(t, refuse(401, 'token_expired'), () => controller.abort());
  const watch = server.shop({ tokenStore }).orders.watch(7, { signal: controller.signal });
  assert.deepEqual(await watch.next(), { done: true, value: undefined });
  assert.equal(server.seen[1].url, '/v1/auth/refresh');
});

test('leaving the loop closes the connection', async (t) => {
  let tell;
  const closed = new Promise((resolve) => (tell = resolve));
  const events = (request, response) => {
    response.on('close', tell);
    stream([status(1, 'pending')], stay)(request, response);
  };
  await watched(t, 1, [events]);
  await closed;
});

const cases = {
  'line ends of any kind': ['data: a\r\ndata: b\rdata: c\n\n', [{ id: undefined, event: 'message', data: 'a\nb\nc' }]],
  'fields without a space or a value': ['data:a\ndata\nid:1\n\n', [{ id: '1', event: 'message', data: 'a\n' }]],
  'colons in values': ['data: {"a": ": b"}\n\n', [{ id: undefined, event: 'message', data: '{"a": ": b"}' }]],
  'comments and unknown fields': [
    ': hello\nfoo: bar\nretry: x\ndata: a\n\n',
    [{ id: undefined, event: 'message', data: 'a' }],
  ],
  'an id that lasts': [
    'id: 5\ndata: a\n\nevent: x\ndata: b\n\n',
    [
      { id: '5', event: 'message', data: 'a' },
      { id: '5', event: 'x', data: 'b' },
    ],
  ],
  'events without data, which are none': ['event: x\n\ndata: a\n\n', [{ id: undefined, event: 'message', data: 'a' }]],
  'an unfinished event, which is none': ['data: a\n\ndata: b\n', [{ id: undefined, event: 'message', data: 'a' }]],
};
for (const [name, [text, events]] of Object.entries(cases)) {
  test(`the stream's format: ${name}, in pieces of any size`, () => {
    for (let size = 1; size <= text.length; size += 1) {
      const parser = new EventParser();
      const seen = [];
      for (let at = 0; at < text.length; at += size) seen.push(...parser.push(text.slice(at, at + size)));
      assert.deepEqual(seen, events, `pieces of ${size}`);
    }
  });
}

test('letters that are cut in two by the network are whole', async (t) => {
  const bytes = Buffer.from(status(1, '배송'));
  const cut = (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(bytes.subarray(0, bytes.length - 6), () => response.write(bytes.subarray(bytes.length - 6)));
  };
  assert.deepEqual((await watched(t, 1, [cut])).statuses, ['배송']);
});
