import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

/** What the compiler says about these files, which import the client by its name: `{ file, line, text }`, line from 1. */
export async function complaints(files) {
  const folder = await mkdtemp(join(tmpdir(), 'spicyjump-client-'));
  const compilerOptions = {
    noEmit: true,
    strict: true,
    module: 'esnext',
    moduleResolution: 'bundler',
    target: 'es2022',
    lib: ['es2022', 'dom', 'dom.iterable'],
    types: [],
    paths: { '@spicyjump/client': [path('../dist/index.d.ts')] },
  };
  try {
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const tsc = [path('../node_modules/typescript/bin/tsc'), '--pretty', 'false', '--project', folder];
    const output = await new Promise((done) => {
      execFile(process.execPath, tsc, { cwd: folder, maxBuffer: 1 << 26 }, (_, stdout, stderr) =>
        done(stdout + stderr),
      );
    });
    const found = [...output.matchAll(/^(\S+?\.ts)\((\d+),\d+\): (.*)/gm)];
    if (found.length === 0 && output.trim() !== '') throw new Error(output);
    return found.map(([, file, line, text]) => ({ file, line: Number(line), text }));
  } finally {
    await rm(folder, { recursive: true });
  }
}
