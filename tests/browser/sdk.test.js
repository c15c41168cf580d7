// The SDK as pages use it: from a script tag of the server, in Chromium.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Beaconfire } from './support/beaconfire.js';
import { Browser, closeTab } from './support/chromium.js';
import { servePages } from './support/pages.js';
import { until } from './support/wait.js';

describe('the SDK from a script tag', { timeout: 180_000 }, () => {
  let browser, beaconfire, pages;

  before(async () => {
    beaconfire = await Beaconfire.start();
    pages = await servePages(beaconfire.url);
    browser = await Browser.launch();
  });

  after(async () => {
    await browser?.close();
    await pages?.stop();
    await beaconfire?.stop();
  });

  test('own and foreign pushes arrive as child_added exactly once, in order', async () => {
    const page = await browser.open(`${pages.url}/sdk.html`);
    const pushed = await page.evaluate(async () => {
      const list = new Firebase('https://chat.firebaseIO.com/once-each');
      window.early = [];
      list.on('child_added', (snapshot) => early.push(snapshot.val().n));
      const stored = [];
      for (let n = 0; n < 50; n++) {
        stored.push(new Promise((done, failed) => list.push({ n }, (error) => (error ? failed(error) : done()))));
      }
      await Promise.all(stored);
      window.late = [];
      new Firebase('https://chat.firebaseIO.com/once-each').on('child_added', (snapshot) => late.push(snapshot.val().n));
      return stored.length;
    });
    // One more from outside, with a key behind all others. When it is there, all before it is there, and nothing twice.
    await beaconfire.write('once-each/~last', 'chat', { n: pushed });
    const expected = Array.from({ length: pushed + 1 }, (_, n) => n);
    for (const listener of ['early', 'late']) {
      await until(`the last child at the ${listener} listener`, () => page.evaluate(`${listener}.includes(${pushed})`));
      assert.deepEqual(await page.evaluate(listener), expected, `${listener} listener`);
    }
    await page.close();
  });

  test('once value after a set without waiting sees what was set', async () => {
    const page = await browser.open(`${pages.url}/sdk.html`);
    const read = await page.evaluate(async () => {
      const values = [];
      for (let n = 0; n < 20; n++) {
        const place = new Firebase(`https://chat.firebaseIO.com/set-then-once/${n % 3}`);
        place.set({ n });
        values.push(await new Promise((done) => place.once('value', (snapshot) => done(snapshot.val()))));
      }
      return values;
    });
    assert.deepEqual(read, Array.from({ length: 20 }, (_, n) => ({ n })));
    await page.close();
  });

  test('all ways to write the URL lead to the same place', async () => {
    const page = await browser.open(`${pages.url}/sdk.html`);
    await beaconfire.write('room', 'chat', 'here');
    const own = `${beaconfire.url}/room?ns=chat`;
    const hosted = ['https://chat.firebaseIO.com/room', '//chat.firebaseio.com/room', 'http://CHAT.firebaseIO.com/room/'];
    const read = (url) => new Promise((done) => new Firebase(url).once('value', (snapshot) => done(snapshot.val())));
    for (const url of [own, ...hosted]) {
      const value = await page.evaluate(read, url);
      assert.equal(value, 'here', url);
    }
    await page.evaluate((url) => new Firebase(url).child('told').set(true), own);
    assert.deepEqual(await beaconfire.read('room', 'chat'), { told: true });
    assert.deepEqual([...page.outside], [], 'the script asks nobody but its own server');
    await page.close();
  });

  test('a page that goes elsewhere is no longer present', async () => {
    const page = await browser.open(`${pages.url}/sdk.html`);
    await page.evaluate(async () => {
      const mine = new Firebase('https://chat.firebaseIO.com/here/me');
      await mine.onDisconnect().remove();
      await mine.set(true);
    });
    assert.deepEqual(await beaconfire.read('here', 'chat'), { me: true });
    await page.goto('about:blank');
    const gone = async () => (await beaconfire.read('here', 'chat')) === null;
    await until('the presence to go', gone, { timeoutMs: 1_000 });
    await page.close();
  });

  test('after a restart of the server it goes on: nothing lost, nothing twice, presence again', async () => {
    const data = await mkdtemp(join(tmpdir(), 'beaconfire-data-'));
    const first = await Beaconfire.start({ data });
    const own = await servePages(first.url);
    let second;
    try {
      const page = await browser.open(`${own.url}/sdk.html`);
      await page.evaluate(() => {
        const root = new Firebase('https://chat.firebaseIO.com/');
        window.list = root.child('list');
        window.added = [];
        window.connected = null;
        list.on('child_added', (snapshot) => added.push(snapshot.val()));
        const mine = root.child('here/me');
        root.child('.info/connected').on('value', (snapshot) => {
          connected = snapshot.val();
          if (!connected) return;
          mine.onDisconnect().remove();
          mine.set(true);
        });
        return new Promise((done) => list.push('before', done));
      });
      await until('the presence', async () => (await first.read('here', 'chat')) !== null);
      await first.stop();
      await until('the page to notice', () => page.evaluate('connected === false'));
      await page.evaluate(() => void list.push('while away'));

      second = await Beaconfire.start({ data, port: first.port });
      await second.write('list/~from-outside', 'chat', 'from outside');
      await until('the page to come back', () => page.evaluate('connected === true'), { timeoutMs: 30_000 });
      await until('all children', () => page.evaluate('added.length >= 3'));
      await page.evaluate(() => void list.push('after'));
      await until('the child pushed after', () => page.evaluate(`added.includes('after')`));
      assert.deepEqual((await page.evaluate('added')).sort(), ['after', 'before', 'from outside', 'while away']);
      const stored = Object.values(await second.read('list', 'chat'));
      assert.deepEqual(stored.sort(), ['after', 'before', 'from outside', 'while away'], 'stored once each');

      await until('the presence after the restart', async () => (await second.read('here', 'chat')) !== null);
      await closeTab(page);
      const gone = async () => (await second.read('here', 'chat')) === null;
      await until('the presence to go', gone, { timeoutMs: 1_000 });
    } finally {
      await own.stop();
      await first.stop();
      await second?.stop();
      await rm(data, { recursive: true, force: true });
    }
  });
});
