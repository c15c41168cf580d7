// The Node side of pages that run the scenarios of the client tests: the files they load, and what they ask by
// `bridge`.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize, resolve } from 'node:path';
import { Wire } from '../../clients/node/support/wire.js';
import { until } from './wait.js';
import { serve } from './web-server.js';

const TESTS = resolve(import.meta.dirname, '../..');
const CLIENTS = join(TESTS, 'clients/node');
/** Nothing else below tests/ is served. */
const SERVED = ['browser/pages/', 'browser/support/', 'clients/node/'];
const TYPES = { '.html': 'text/html', '.js': 'text/javascript' };
const NS = 'chat';

/** Serves the test pages, the scenarios, and the packages that the client tests have from npm. */
export async function serveTests() {
  if (!existsSync(join(CLIENTS, 'node_modules'))) throw new Error(`the SDKs are missing: run 'npm ci' in ${CLIENTS}`);
  return serve(async (asked) => {
    const path = normalize(asked).slice(1);
    const type = TYPES[extname(path)];
    const isServed = type && SERVED.some((start) => path.startsWith(start));
    return isServed && { type, text: await readFile(join(TESTS, path)).catch(() => null) };
  });
}

/** Pages of one SDK and transport in one browser, and what they leave behind in Node. */
export class Realtime {
  #browser;
  #beaconfire;
  #url;
  #wires = [];
  #doomed = [];

  constructor(browser, beaconfire, pagesUrl, sdk, transport) {
    this.#browser = browser;
    this.#beaconfire = beaconfire;
    this.#url = `${pagesUrl}/browser/pages/realtime.html?sdk=${sdk}&transport=${transport}`;
  }

  /** A page in which the SDK is loaded. */
  async open() {
    const page = await this.#browser.open('about:blank');
    await page.exposeFunction('bridge', (ask, ...args) => this[`_${ask}`](...args));
    await page.goto(this.#url);
    await until('the SDK in the page', async () => {
      if (page.said.some((line) => line.startsWith('uncaught'))) throw new Error(page.said.join('\n'));
      return page.evaluate('window.isReady');
    });
    return page;
  }

  /** All that the pages have asked the server for: path and query of each request. */
  get requests() {
    return this.#wires.flatMap((wire) => wire.requests());
  }

  /** Takes the cables of pages that are done. */
  async close() {
    for (const wire of this.#wires) wire.block();
    await Promise.all(this.#wires.map((wire) => wire.close()));
    await Promise.all(this.#doomed.map((page) => page.context().close()));
  }

  async _connect() {
    const wire = await Wire.open(this.#beaconfire.port);
    return { id: this.#wires.push(wire) - 1, port: wire.port };
  }

  _wire(id, call) {
    if (call === 'close') this.#wires[id].block(); // browsers keep connections for later use
    return this.#wires[id][call]();
  }

  _read(path) {
    return this.#beaconfire.read(path, NS);
  }

  _write(path, value) {
    return this.#beaconfire.write(path, NS, value);
  }

  async _doom(root, name) {
    const page = await this.open();
    await page.evaluate(([...args]) => window.doom(...args), [name, this.#beaconfire.port, root, NS]);
    return this.#doomed.push(page) - 1;
  }

  /** The renderer process of the page dies, as by SIGKILL. */
  async _kill(id) {
    const page = this.#doomed[id];
    const session = await page.context().newCDPSession(page);
    const crashed = page.waitForEvent('crash');
    session.send('Page.crash').catch(() => {});
    await crashed;
  }
}
