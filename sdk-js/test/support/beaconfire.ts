// A real server for the conformance tests: one that runs already, or one started for them.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const DEFAULT_BINARY = resolve(import.meta.dirname, '../../../target/debug/beaconfire');

export interface Beaconfire {
  readonly url: string;
  stop(): Promise<void>;
}

/** `BEACONFIRE_URL` if it is set, else the binary of `BEACONFIRE_BIN`, else the debug build. Fails if there is none. */
export async function beaconfire(): Promise<Beaconfire> {
  const url = process.env.BEACONFIRE_URL;
  if (url) return { url: url.replace(/\/$/, ''), stop: async () => {} };
  const binary = resolve(process.env.BEACONFIRE_BIN ?? DEFAULT_BINARY);
  if (!existsSync(binary)) {
    throw new Error(
      `no server to test: ${binary} is not there. Run 'cargo build', or set BEACONFIRE_BIN or BEACONFIRE_URL.`,
    );
  }
  const scratch = await mkdtemp(join(tmpdir(), 'beaconfire-sdk-'));
  const portFile = join(scratch, 'port');
  const args = ['--ephemeral', '--port', '0', '--port-file', portFile];
  const server = spawn(binary, args, { cwd: scratch, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<void>((done) => server.once('exit', () => done()));
  const stop = async (): Promise<void> => {
    server.kill('SIGTERM');
    await exited;
    await rm(scratch, { recursive: true, force: true });
  };
  try {
    return { url: `http://127.0.0.1:${await port(server, portFile)}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The port, which the server writes once it listens. */
async function port(server: ChildProcess, portFile: string): Promise<string> {
  let said = '';
  for (const stream of [server.stdout, server.stderr]) stream?.on('data', (chunk) => (said += chunk));
  for (let tries = 0; tries < 500 && server.exitCode === null; tries++) {
    const found = await readFile(portFile, 'utf8').catch(() => '');
    if (found.trim() !== '') return found.trim();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the server did not start (exit code ${server.exitCode}). It said:\n${said}`);
}
