// What a scenario finds around it in Node: a real server, connections of the SDK under test each on a wire of its own,
// REST beside them, and clients that can be killed.

import { spawn } from 'node:child_process';
import { Rooted } from './rooted.js';
import { Wire } from './wire.js';

const DOOMED = new URL('doomed.js', import.meta.url).pathname;

export class World {
  #beaconfire;
  #open = [];

  constructor(beaconfire, sdk, root, ns = 'chat') {
    this.#beaconfire = beaconfire;
    this.sdk = sdk;
    this.root = root;
    this.ns = ns;
  }

  /** One more client, with a connection of its own through a wire of its own. */
  async connect() {
    const wire = await Wire.open(this.#beaconfire.port);
    const native = await this.sdk.connect({ port: wire.port, ns: this.ns });
    const client = new Rooted(native, this.root, wire);
    this.#open.push(client);
    return client;
  }

  /** The value at `path` of this scenario, over REST. */
  read(path = '') {
    return this.#beaconfire.read(`${this.root}/${path}`.replace(/\/$/, ''), this.ns);
  }

  /** Writes at `path` of this scenario over REST. */
  write(path, value) {
    return this.#beaconfire.write(`${this.root}/${path}`, this.ns, value);
  }

  /** A client in a process of its own that has done what `doomed[name]` says, and waits to be killed. */
  async doom(name) {
    const child = spawn(process.execPath, [DOOMED, this.sdk.name, this.#beaconfire.port, this.ns, this.root, name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const over = new Promise((ended) => child.on('exit', ended));
    const kill = async () => {
      child.kill('SIGKILL');
      await over;
    };
    this.#open.push({ close: kill });
    await new Promise((ready, failed) => {
      child.stdout.once('data', ready);
      over.then((code) => failed(new Error(`the doomed client ended by itself: ${code}`)));
    });
    /** It lives on and does nothing any more, as behind a cable that was pulled out. */
    const freeze = () => child.kill('SIGSTOP');
    return { kill, freeze };
  }

  async close() {
    await Promise.all(this.#open.splice(0).map((one) => one.close()));
  }
}
