// All generations of the SDK on one database, the ways to point an SDK at a server, and what happens when either side
// goes.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { initializeApp } from 'firebase-12/app';
import * as database from 'firebase-12/database';
import { Beaconfire } from '../../browser/support/beaconfire.js';
import { until } from '../../browser/support/wait.js';
import { record, values } from './support/recorder.js';
import { load, NAMES } from './support/sdks.js';
import { World } from './support/world.js';

const require = createRequire(import.meta.url);
const PER_SDK = 3;
const DEAD_PEER_MS = 45_000;

describe('all SDKs together', { timeout: 180_000, concurrency: true }, () => {
  let beaconfire;
  const worlds = [];

  /** A client of the SDK `name`. */
  async function connect(name, root, server = beaconfire) {
    const world = new World(server, await load(name), root, 'chat');
    worlds.push(world);
    return world.connect();
  }

  before(async () => {
    beaconfire = await Beaconfire.start();
  });

  after(async () => {
    await Promise.all(worlds.map((world) => world.close()));
    await beaconfire?.stop();
  });

  test('clients of every generation contend for one counter, and none is lost', async () => {
    const names = NAMES.flatMap((name) => Array(PER_SDK).fill(name));
    const clients = await Promise.all(names.map((name) => connect(name, 'counter')));
    const logs = clients.map((client) => record(client.place('n'), ['value']));
    await Promise.all(clients.map((client) => client.settled()));
    const all = await Promise.all(clients.map((client) => client.place('n').transaction((n) => (n || 0) + 1)));
    assert.ok(all.every(({ committed }) => committed));
    assert.equal(await beaconfire.read('counter/n', 'chat'), clients.length);
    await Promise.all(clients.map((client) => client.settled()));
    for (const log of logs) assert.equal(values(log).at(-1), clients.length);
  });

  test('what each says in a room, all hear once', async () => {
    const clients = await Promise.all(NAMES.map((name) => connect(name, 'talk')));
    const logs = clients.map((client) => record(client.place('said'), ['child_added']));
    await Promise.all(clients.map((client) => client.settled()));
    const saying = NAMES.flatMap((name, n) =>
      Array.from({ length: 5 }, (_, line) => clients[n].place('said').push({ name, line }).stored),
    );
    await Promise.all(saying);
    await Promise.all(clients.map((client) => client.settled()));
    const stored = Object.entries(await beaconfire.read('talk/said', 'chat')).sort(([a], [b]) => (a < b ? -1 : 1));
    assert.equal(stored.length, NAMES.length * 5);
    for (const [n, log] of logs.entries()) {
      const heard = log.map(([, key, said]) => [key, said]).sort(([a], [b]) => (a < b ? -1 : 1));
      assert.deepEqual(heard, stored, NAMES[n]);
    }
  });

  test('the emulator switch of SDK 12 and 8 leads here', async () => {
    const app = initializeApp({ databaseURL: 'https://switched.firebaseio.com' }, 'switched');
    const db = database.getDatabase(app);
    database.connectDatabaseEmulator(db, '127.0.0.1', beaconfire.port);
    await database.set(database.ref(db, 'x'), 12);
    assert.equal(await beaconfire.read('x', 'switched'), 12);
    database.goOffline(db);

    const firebase = require('firebase/app').default;
    require('firebase/database');
    const old = firebase.initializeApp({ databaseURL: 'https://switched.firebaseio.com' }, 'switched').database();
    old.useEmulator('127.0.0.1', beaconfire.port);
    await old.ref('x').set(8);
    assert.equal(await beaconfire.read('x', 'switched'), 8);
    old.goOffline();
  });

  test('FIREBASE_DATABASE_EMULATOR_HOST leads here', async () => {
    const script = `
      const admin = require('firebase-admin');
      admin.initializeApp({ databaseURL: 'https://by-environment.firebaseio.com' });
      const db = admin.database();
      db.ref('x').set('admin').then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });`;
    const env = { ...process.env, FIREBASE_DATABASE_EMULATOR_HOST: `127.0.0.1:${beaconfire.port}` };
    const child = spawn(process.execPath, ['-e', script], { cwd: import.meta.dirname, env, stdio: 'inherit' });
    assert.equal(await new Promise((ended) => child.on('exit', ended)), 0, 'the exit of the child');
    assert.equal(await beaconfire.read('x', 'by-environment'), 'admin');
  });

  test('namespaces: any case is one database; none means that of the server', async () => {
    const write = async (url, value) => {
      const db = database.getDatabase(initializeApp({ databaseURL: url }, url));
      await database.set(database.ref(db, 'named'), value);
      database.goOffline(db);
    };
    await write(`http://127.0.0.1:${beaconfire.port}?ns=MixedCase`, 'mixed');
    assert.equal(await beaconfire.read('named', 'mixedcase'), 'mixed');
    await write(`http://localhost:${beaconfire.port}`, 'default');
    const response = await fetch(`http://localhost:${beaconfire.port}/named.json`);
    assert.equal(await response.json(), 'default');
  });

  test('a client that is frozen counts as gone within half a minute', async () => {
    const world = new World(beaconfire, await load('firebase 12'), 'frozen', 'chat');
    worlds.push(world);
    const { freeze } = await world.doom('says it is here');
    assert.equal(await world.read('here'), 'yes');
    freeze();
    await until('what it armed', async () => (await world.read('here')).left, { timeoutMs: DEAD_PEER_MS });
  });

  for (const name of ['firebase 12', 'firebase 2.4.2', 'firebase-admin']) {
    test(`${name}: a restart of the server loses nothing and doubles nothing`, async () => {
      const data = await mkdtemp(join(tmpdir(), 'beaconfire-restart-'));
      const first = await Beaconfire.start({ data });
      let second;
      try {
        // Straight to the server: its port stays the same.
        const sdk = await load(name);
        const client = await sdk.connect({ port: first.port, ns: 'chat' });
        worlds.push(client);
        const connected = record(client.place('.info/connected'), ['value']);
        const list = record(client.place('list'), ['child_added']);
        const window = record(client.place('list').query([['limitToLast', 1]]), ['child_added']);
        await client.place('gone').onDisconnect().set(true);
        await client.place('list/1').set('before');
        await first.stop();
        await until('the client to notice', () => values(connected).at(-1) === false);
        const pending = client.place('list/2').set('while away');
        second = await Beaconfire.start({ data, port: first.port });
        await pending;
        await client.place('list/3').set('after');
        assert.deepEqual(list.map(([, key]) => key), ['1', '2', '3'], 'each child was told once');
        assert.deepEqual(window.map(([, key]) => key), ['1', '2', '3'], 'and each last one');
        const stored = await second.read('list', 'chat');
        assert.deepEqual(stored, [null, 'before', 'while away', 'after']);
        assert.equal(await second.read('gone', 'chat'), true, 'what was armed was run, once');
      } finally {
        await first.stop();
        await second?.stop();
        await rm(data, { recursive: true, force: true });
      }
    });
  }
});
