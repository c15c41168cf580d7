// The scenarios of the client tests inside a page: the SDK as pages load it, and a world whose cables lie in Node
// (support/realtime.js answers `bridge`). `?sdk=12|2&transport=websocket|long-polling|upgrade` says what is tested.

import { legacy } from '/clients/node/adapters/legacy.js';
import { modular } from '/clients/node/adapters/modular.js';
import { scenarios } from '/clients/node/scenarios/index.js';
import { doomed } from '/clients/node/scenarios/on-disconnect.js';
import { Rooted } from '/clients/node/support/rooted.js';

const LEGACY_SCRIPT = '/clients/node/node_modules/firebase-2/lib/firebase-web.js';

const asked = new URLSearchParams(location.search);
const transport = asked.get('transport');
// Without force a page's second client begins with long polling while the WebSocket of the first is still being opened.
// Of low-priority requests Chromium lets only ten wait at once for a whole page: too few for twenty long polls.
const features = transport === 'long-polling' ? ['long polling', 'few connections'] : [];

/** 2.4.2 in a frame of its own: its goOffline ends all connections of its window. */
async function freshLegacy() {
  const frame = document.body.appendChild(document.createElement('iframe'));
  const script = frame.contentDocument.createElement('script');
  script.src = LEGACY_SCRIPT;
  await new Promise((done, failed) => {
    script.onload = done;
    script.onerror = failed;
    frame.contentDocument.body.append(script);
  });
  const { Firebase } = frame.contentWindow;
  if (transport === 'long-polling') Firebase.INTERNAL.forceLongPolling();
  if (transport === 'websocket') Firebase.INTERNAL.forceWebSockets();
  return Firebase;
}

async function load() {
  if (asked.get('sdk') === '2') return legacy('firebase 2.4.2', freshLegacy, features);
  const [app, database] = await Promise.all([import('firebase/app'), import('firebase/database')]);
  if (transport === 'long-polling') database.forceLongPolling();
  if (transport === 'websocket') database.forceWebSockets();
  return modular('firebase 12', { app, database }, features);
}

class PageWorld {
  #open = [];

  constructor(sdk, root, ns) {
    this.sdk = sdk;
    this.root = root;
    this.ns = ns;
  }

  async connect(port) {
    const { id, port: own } = port ? { port } : await bridge('connect');
    const call = (what) => () => bridge('wire', id, what);
    const calls = ['pushes', 'bytes', 'block', 'unblock', 'close'].map((what) => [what, call(what)]);
    // This flag makes the SDK begin with long polling and go over to a WebSocket; a healthy WebSocket takes it away.
    if (transport === 'upgrade') localStorage.setItem('firebase:previous_websocket_failure', 'true');
    const client = new Rooted(await this.sdk.connect({ port: own, ns: this.ns }), this.root, Object.fromEntries(calls));
    this.#open.push(client);
    return client;
  }

  read(path = '') {
    return bridge('read', `${this.root}/${path}`.replace(/\/$/, ''));
  }

  write(path, value) {
    return bridge('write', `${this.root}/${path}`, value);
  }

  async doom(name) {
    const id = await bridge('doom', this.root, name);
    return { kill: () => bridge('kill', id) };
  }

  async close() {
    await Promise.all(this.#open.splice(0).map((client) => client.close()));
  }
}

const sdk = await load();

/** What this SDK can. */
window.features = [...sdk.features];

/** Runs one scenario. */
window.run = async (title, root, ns) => {
  const world = new PageWorld(sdk, root, ns);
  try {
    await scenarios.find((one) => one.title === title).run(world);
  } finally {
    await world.close();
  }
};

/** Connects straight to the server and gives the client. */
window.client = (port, root, ns) => new PageWorld(sdk, root, ns).connect(port);

/** What a client does before its page is killed. */
window.doom = async (name, port, root, ns) => doomed[name](await window.client(port, root, ns));

window.isReady = true;
