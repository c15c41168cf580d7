// Trystero (npm, unmodified): WebRTC peers find each other through the Realtime Database, with the official SDK 12, and
// then talk to each other directly.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Beaconfire } from './support/beaconfire.js';
import { Browser } from './support/chromium.js';
import { serveTests } from './support/realtime.js';
import { until } from './support/wait.js';

const NS = 'peers';

describe('Trystero signals over the Realtime Database', { timeout: 120_000 }, () => {
  let browser, beaconfire, pages;

  before(async () => {
    beaconfire = await Beaconfire.start();
    pages = await serveTests();
    browser = await Browser.launch();
  });

  after(async () => {
    await browser?.close();
    await pages?.stop();
    await beaconfire?.stop();
  });

  const enter = async () => {
    const database = encodeURIComponent(`${beaconfire.url}?ns=${NS}`);
    const page = await browser.open(`${pages.url}/browser/pages/trystero.html?database=${database}`);
    const self = await until(`the page (it said: ${page.said})`, () => page.evaluate('window.self'));
    return { page, self };
  };
  const meets = (one, others) =>
    until(`peers of ${one.self} (it said: ${one.page.said.join('\n')})`, async () => {
      const peers = await one.page.evaluate('peers');
      return others.every(({ self }) => peers.includes(self));
    });

  test('three peers meet, talk, send a file; who is gone is gone', async () => {
    const [anna, bert] = [await enter(), await enter()];
    await Promise.all([meets(anna, [bert]), meets(bert, [anna])]);
    const cleo = await enter();
    await Promise.all([meets(cleo, [anna, bert]), meets(anna, [cleo]), meets(bert, [cleo])]);

    await anna.page.evaluate(`chat('hello 😀')`);
    await cleo.page.evaluate('file(200_000)');
    for (const one of [bert, cleo]) {
      await until('the chat', async () => (await one.page.evaluate('heard')).length > 0);
      assert.deepEqual(await one.page.evaluate('heard'), [[anna.self, 'hello 😀']]);
    }
    for (const one of [anna, bert]) {
      await until('the file', async () => (await one.page.evaluate('files')).length > 0);
      assert.deepEqual(await one.page.evaluate('files'), [[cleo.self, 200_000]]);
    }
    assert.equal((await anna.page.evaluate('occupants()')).length, 3, 'three are in the room');

    await bert.page.context().close(); // without a word: what it armed with onDisconnect must clear up
    await until('two in the room', async () => (await anna.page.evaluate('occupants()')).length === 2);
    const isLost = async () => !(await anna.page.evaluate('peers')).includes(bert.self);
    await until('the loss of the peer', isLost, { timeoutMs: 40_000 });
    await cleo.page.evaluate('leave()');
    await until('one in the room', async () => (await anna.page.evaluate('occupants()')).length === 1);
    await anna.page.context().close();
    await until('an empty database', async () => (await beaconfire.read('', NS)) === null);
  });
});
