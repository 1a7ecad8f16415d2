import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../dist/index.js';
import { fakeServer, ok } from './fake-server.js';

const png = new Blob(['not really'], { type: 'image/png' });
const file_url = 'https://cdn.example.com/products/1/a.png';

function signedIn() {
  const tokenStore = memoryStore();
  tokenStore.set({ access_token: 'secret', refresh_token: 'secret' });
  return { tokenStore };
}

test('an image goes to the storage as the API signed it, and the token stays here', async (t) => {
  const storage = await fakeServer(t, (_, response) => response.end());
  const headers = { 'Content-Type': 'image/png', 'Cache-Control': 'max-age=1' };
  const server = await fakeServer(
    t,
    ok({ upload_url: `${storage.baseUrl}/a.png?sig=1`, file_url, method: 'PUT', headers, expires_in: 3600 }),
  );
  assert.equal(await server.shop(signedIn()).uploads.image(png, 'a.png'), file_url);
  assert.deepEqual(JSON.parse(server.seen[0].body), { file_name: 'a.png', file_type: 'image/png', file_size: 10 });
  const [put] = storage.seen;
  assert.equal(`${put.method} ${put.url}`, 'PUT /a.png?sig=1');
  assert.equal(put.headers['content-type'], 'image/png');
  assert.equal(put.headers['cache-control'], 'max-age=1');
  assert.equal(put.headers['content-length'], '10');
  assert.equal(put.headers.authorization, undefined);
  assert.equal(put.body, 'not really');
});

test('a storage that refuses is an error', async (t) => {
  const storage = await fakeServer(t, (_, response) => response.writeHead(403).end('<Error/>'));
  const server = await fakeServer(
    t,
    ok({ upload_url: storage.baseUrl, file_url, method: 'PUT', headers: {}, expires_in: 3600 }),
  );
  await assert.rejects(server.shop(signedIn()).uploads.image(png, 'a.png'), { code: 'invalid_response', status: 403 });
});

test('an image can go through the API', async (t) => {
  const server = await fakeServer(t, ok({ file_url }, 201));
  assert.equal(await server.shop(signedIn()).uploads.imageThroughApi(png, 'a.png'), file_url);
  assert.match(server.seen[0].headers['content-type'], /^multipart\/form-data; boundary=/);
  assert.match(server.seen[0].body, /name="file"; filename="a\.png"\r\nContent-Type: image\/png\r\n\r\nnot really/);
});
