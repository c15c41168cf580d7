// The promise to the room builder, kept in two real browsers: pages with the Firebase signaling snippet and the
// room-presence snippet, character for character, and the libraries of that age as they lie on npm. The only thing changed
// is the address of one script tag.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { Beaconfire } from './support/beaconfire.js';
import { Browser, closeTab } from './support/chromium.js';
import { servePages } from './support/pages.js';
import { until } from './support/wait.js';

const GRACE_MS = 2_000;
const TOLD_MS = 1_000; // a page that closes tells the server: the room is empty within this
const LIBRARIES = [
  { name: 'RTCMultiConnection 2.2.5', page: 'rtcmulticonnection.html' },
  { name: 'DataChannel 1.0.0', page: 'datachannel.html' },
];

const file = (path) => readFile(new URL(path, import.meta.url), 'utf8');

describe('Firebase signaling in two browsers', { timeout: 300_000 }, () => {
  let beaconfire, pages, browserOfA, browserOfB;

  before(async () => {
    beaconfire = await Beaconfire.start({ args: ['--presence-grace', `${GRACE_MS / 1000}s`] });
    pages = await servePages(beaconfire.url);
    browserOfB = await Browser.launch();
  });

  after(async () => {
    await browserOfB?.close();
    await pages?.stop();
    await beaconfire?.stop();
  });

  test('every page holds the snippets unchanged', async () => {
    const signaling = await file('snippets/open-signaling-channel.js');
    const presence = await file('snippets/room-presence.js');
    for (const { page } of LIBRARIES) {
      const source = await file(`pages/${page}`);
      assert.ok(source.includes(signaling), `${page} holds the signaling snippet`);
      assert.ok(source.includes(presence), `${page} holds the presence snippet`);
    }
    const demo = await file('../../src/server/assets/demo/index.html');
    assert.ok(demo.includes(signaling), 'the demo page holds the signaling snippet');
  });

  for (const { name, page } of LIBRARIES) {
    test(`${name}: the first page opens, the second joins, text goes both ways, closing the first empties the room`, (t) =>
      withTwoPages(t, page, async ({ a, isEmpty }) => {
        await closeTab(a);
        const closedAt = Date.now();
        await until('the room to be empty after a clean close', isEmpty, { timeoutMs: TOLD_MS });
        return `empty ${Date.now() - closedAt} ms after the tab was closed`;
      }));

    test(`${name}: a killed renderer leaves the room empty after the grace`, (t) =>
      withTwoPages(t, page, async ({ isEmpty }) => {
        await browserOfA.killRenderers();
        return emptyAfterGrace(isEmpty);
      }));
  }

  test('RTCMultiConnection 2.2.5: a killed browser leaves the room empty after the grace', (t) =>
    withTwoPages(t, 'rtcmulticonnection.html', async ({ isEmpty }) => {
      await browserOfA.kill();
      return emptyAfterGrace(isEmpty);
    }));

  /** Not before the grace, for a short break of the network must not empty a room, and not much after it. */
  async function emptyAfterGrace(isEmpty) {
    const killedAt = Date.now();
    await until('the room to be empty after the grace', isEmpty, { timeoutMs: GRACE_MS + TOLD_MS });
    const took = Date.now() - killedAt;
    assert.ok(took > GRACE_MS * 0.75, `emptied ${took} ms after the kill, before the grace of ${GRACE_MS} ms was over`);
    return `empty ${took} ms after the kill, grace ${GRACE_MS} ms`;
  }

  /** Brings page A and page B into one room, lets them talk, and then lets `ending` part them. */
  async function withTwoPages(t, page, ending) {
    const room = `room-${Math.random().toString(36).slice(2)}`;
    const url = `${pages.url}/${page}#${room}`;
    const isEmpty = async () => (await beaconfire.read(room, 'chat')) === null;
    const opened = [];
    browserOfA = await Browser.launch();
    try {
      assert.ok(await isEmpty(), 'the room is empty at first');
      const a = await browserOfA.open(url);
      opened.push(a);
      await until('the first page to open the room', async () => !(await isEmpty()));
      assert.equal(await a.evaluate('seen.role'), 'open', 'the first page finds no room and opens it');

      const b = await browserOfB.open(url);
      opened.push(b);
      const isOpen = async (one) => (await one.evaluate('seen.open')) > 0;
      await until('the data channel to open', async () => (await isOpen(a)) && (await isOpen(b)));
      assert.equal(await b.evaluate('seen.role'), 'join', 'the second page finds the room and joins it');

      await a.evaluate(() => connection.send('from A: Grüße ✓'));
      await b.evaluate(() => connection.send('from B: привет'));
      const messages = (one) => one.evaluate('seen.messages');
      await until('text both ways', async () => (await messages(a)).length && (await messages(b)).length);
      assert.deepEqual(await messages(a), ['from B: привет']);
      assert.deepEqual(await messages(b), ['from A: Grüße ✓']);

      assert.ok(!(await isEmpty()), 'the room is there while both talk');
      t.diagnostic(await ending({ a, b, isEmpty }));
      await b.close();
    } catch (error) {
      for (const one of opened) error.message += `\n${one.url()} said:\n${one.said.join('\n').slice(0, 3000)}`;
      error.message += `\nserver said:\n${beaconfire.output.slice(-2000)}`;
      throw error;
    } finally {
      await browserOfA.close().catch(() => {}); // killed by the test itself, perhaps
    }
  }
});
