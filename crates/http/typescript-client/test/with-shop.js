/**
 * Runs a command with a whole shop beside it: `node test/with-shop.js COMMAND…` starts `$SPICYJUMP_BIN dev` in a folder
 * that is removed afterwards, and sets `SPICYJUMP_URL`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PATIENCE = 120_000;

const folder = await mkdtemp(join(tmpdir(), 'spicyjump-shop-'));
const shop = spawn(process.env.SPICYJUMP_BIN, ['dev'], {
  cwd: folder,
  // Tokens expire while the tests run, so that they are refreshed.
  env: { ...process.env, BIND_ADDR: '127.0.0.1:0', LOG_LEVEL: 'warn', ACCESS_TOKEN_TTL_SECONDS: '3' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const stopped = once(shop, 'exit');

/** The shop's address, once it is on its first screen and the shop is ready. */
async function address() {
  let screen = '';
  for await (const text of shop.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    screen += text;
    const [, url] = /(http:\/\/\S+)\/docs\s/.exec(screen) ?? [];
    if (url) return url;
  }
  throw new Error(`The shop did not start:\n${screen}`);
}

async function ready(url) {
  for (;;) {
    const isReady = await fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (isReady) return;
    if (shop.exitCode !== null) throw new Error(`The shop ended with status ${shop.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

try {
  const late = setTimeout(() => shop.kill('SIGKILL'), PATIENCE);
  const url = await address();
  shop.stdout.resume();
  await ready(url);
  clearTimeout(late);
  const [command, ...rest] = process.argv.slice(2);
  const run = spawn(command, rest, { stdio: 'inherit', env: { ...process.env, SPICYJUMP_URL: url } });
  const [code] = await once(run, 'exit');
  process.exitCode = code ?? 1;
} finally {
  shop.kill('SIGTERM');
  await stopped;
  await rm(folder, { recursive: true, force: true });
}
