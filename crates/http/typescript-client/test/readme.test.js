import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { complaints } from './typescript.js';

test('the examples of the README compile', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code], place) => [`example${place}.ts`, code]);
  assert.equal(examples.length, 6);
  const react = `declare module 'react' {
    export function useState<S>(initial: S): [S, (value: S) => void];
    export function useEffect(effect: () => (() => void) | void, dependencies: readonly unknown[]): void;
  }`;
  assert.deepEqual(await complaints({ ...Object.fromEntries(examples), 'react.d.ts': react }), []);
});
