// A real Beaconfire server: the built binary on a free port of 127.0.0.1, stopped by its own process id.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { until } from './wait.js';

const TARGET = resolve(import.meta.dirname, '../../../target');

/** The binary to test: `BEACONFIRE_BIN`, else the release build, else the debug build. */
export function binary() {
  const named = process.env.BEACONFIRE_BIN;
  const candidates = named ? [resolve(named)] : [join(TARGET, 'release/beaconfire'), join(TARGET, 'debug/beaconfire')];
  const found = candidates.find((path) => existsSync(path));
  if (!found) {
    const looked = candidates.join(' and ');
    throw new Error(`no server to test: looked for ${looked}. Run 'cargo build' first, or set BEACONFIRE_BIN.`);
  }
  return found;
}

export class Beaconfire {
  #process;
  #exited;
  #scratch;
  #output = '';

  /**
   * Starts a server. Without `data` it keeps nothing (`--ephemeral`); `port` 0 picks a free one; `args` are more flags.
   * Resolves when the server has written its port file, which it does once it listens.
   */
  static async start({ data, port = 0, args = [] } = {}) {
    const server = new Beaconfire();
    server.#scratch = await mkdtemp(join(tmpdir(), 'beaconfire-browser-'));
    const portFile = join(server.#scratch, 'port');
    const where = data ? ['--data', data] : ['--ephemeral'];
    server.#process = spawn(binary(), [...where, '--port', String(port), '--port-file', portFile, ...args], {
      cwd: server.#scratch,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    server.#process.stdout.on('data', (chunk) => (server.#output += chunk));
    server.#process.stderr.on('data', (chunk) => (server.#output += chunk));
    let over = null;
    server.#exited = new Promise((done) => {
      server.#process.on('error', (error) => done((over = error.message)));
      server.#process.on('exit', (code, signal) => done((over = `exit ${code ?? signal}`)));
    });
    server.port = await until(`the server's port file (server said: ${server.#output})`, async () => {
      if (over) throw new Error(`the server ended at start (${over}). It said:\n${server.#output}`);
      return Number(await readFile(portFile, 'utf8').catch(() => 0));
    });
    server.url = `http://127.0.0.1:${server.port}`;
    return server;
  }

  /** What the server has printed so far. */
  get output() {
    return this.#output;
  }

  /** The value at `path` of database `ns`, read over REST. */
  async read(path, ns) {
    const response = await fetch(`${this.url}/${path}.json?ns=${ns}`);
    if (!response.ok) throw new Error(`GET ${response.url}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** Writes `value` at `path` of database `ns` over REST. */
  async write(path, ns, value) {
    const response = await fetch(`${this.url}/${path}.json?ns=${ns}`, { method: 'PUT', body: JSON.stringify(value) });
    if (!response.ok) throw new Error(`PUT ${response.url}: ${response.status} ${await response.text()}`);
  }

  /** Asks the server to end (SIGTERM), and insists (SIGKILL) when it has not done so after ten seconds. */
  async stop() {
    const insist = setTimeout(() => this.#process.kill('SIGKILL'), 10_000);
    this.#process.kill('SIGTERM');
    await this.#exited;
    clearTimeout(insist);
    await rm(this.#scratch, { recursive: true, force: true });
  }
}
