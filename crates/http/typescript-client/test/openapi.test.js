import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { differences, operations } from './drift.js';

const source = (name) => readFile(new URL(`../src/${name}`, import.meta.url), 'utf8');
const routes = [...(await source('types.ts')).matchAll(/^  '((?:GET|POST|PUT|DELETE) [^']+)':/gm)].map(
  ([, route]) => route,
);

test('every route has a method of the client', async () => {
  const code = await Promise.all(['client.ts', 'http.ts', 'watch.ts'].map(source));
  assert.ok(routes.length > 30);
  assert.deepEqual(
    routes.filter((route) => !code.some((text) => text.includes(`'${route}'`))),
    [],
  );
});

test('a difference is found and named', async () => {
  const body = (schema) => ({ content: { 'application/json': { schema } } });
  const answer = (data) => ({ responses: { 200: body({ type: 'object', properties: { data } }) } });
  const user = {
    type: 'object',
    required: ['id', 'e-mail'],
    properties: {
      id: { type: 'integer' },
      'e-mail': { type: 'string' },
      name: { type: ['string', 'null'] },
      role: { enum: ['buyer'], type: 'string' },
    },
  };
  const api = {
    components: { schemas: { Failure: {} } },
    paths: { '/v1/auth/me': { get: answer({ type: 'object', required: ['user'], properties: { user } }) } },
  };
  const where = 'GET /auth/me 200.user';
  assert.deepEqual((await differences(api)).wrong, [
    `${where}: has id,e-mail,name,role`,
    `${where}: may lack name,role`,
    `${where}.e-mail: whether it may be null`,
    `${where}.e-mail: string`,
    `${where}.name: whether it may be null`,
    `${where}.role: which texts there are`,
  ]);
});

const { SPICYJUMP_URL } = process.env;
describe('the server’s description', { skip: SPICYJUMP_URL ? false : 'SPICYJUMP_URL is not set' }, () => {
  let api;
  before(async () => (api = await (await fetch(`${SPICYJUMP_URL}/v1/openapi.json`)).json()));

  test('has the routes that the client has', () => {
    assert.deepEqual([...operations(api).keys()].sort(), [...routes].sort());
  });

  test('has the fields, types and parameters that the client has', async () => {
    const { claimed, wrong } = await differences(api);
    assert.deepEqual(wrong, []);
    assert.ok(claimed > 500, `${claimed}`);
  });
});
