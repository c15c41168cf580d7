// A program that has gone offline ends: nothing of the SDK keeps Node running.

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { expect, test } from 'vitest';
import { Peer } from './support/peer.ts';

test('after goOffline a program ends by itself', async () => {
  const peer = await Peer.start();
  const folder = await mkdtemp(join(tmpdir(), 'beaconfire-exit-'));
  await build({ logLevel: 'silent', build: { outDir: folder, emptyOutDir: false } });
  const program = join(folder, 'program.mjs');
  await writeFile(
    program,
    `import { Firebase } from './beaconfire.js';
    const ref = new Firebase('${peer.origin}/x?ns=exit');
    ref.on('value', () => {});
    await ref.set(1);
    Firebase.goOffline();`,
  );
  const started = Date.now();
  const child = spawn(process.execPath, [program], { stdio: 'inherit' });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  expect(code).toBe(0);
  expect(Date.now() - started).toBeLessThan(4_000);
  expect(peer.sessions.size).toBe(0);
  await peer.stop();
  await rm(folder, { recursive: true });
}, 20_000);
