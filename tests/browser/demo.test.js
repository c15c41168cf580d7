// The demo page, as a visitor meets it: open it, open a second tab, talk.

import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Beaconfire } from './support/beaconfire.js';
import { Browser, closeTab } from './support/chromium.js';
import { until } from './support/wait.js';

const DESKTOP = { viewport: { width: 1280, height: 860 }, colorScheme: 'light' };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: 'dark' };

describe('the demo page', { timeout: 120_000 }, () => {
  let browser, beaconfire;

  before(async () => {
    beaconfire = await Beaconfire.start();
    browser = await Browser.launch();
  });

  after(async () => {
    await browser?.close();
    await beaconfire?.stop();
  });

  test('two tabs find each other and chat, and the list shows who is here', async (t) => {
    const a = await browser.open(`${beaconfire.url}/demo/`, DESKTOP);
    await a.getByText('Server connected').waitFor();
    const url = a.url();
    assert.match(url, /\/demo\/\?room=[a-z]+-[a-z]+-\d+$/, 'a room with a friendly name, in the URL');
    const room = new URL(url).searchParams.get('room');
    await a.getByRole('heading', { name: room }).waitFor();
    assert.equal(await a.getByRole('link', { name: 'Open a second tab' }).getAttribute('href'), url);

    const b = await browser.open(`${beaconfire.url}/demo/#${room}`, PHONE);
    for (const page of [a, b]) await page.getByRole('status').getByText('Connected directly to').waitFor();
    assert.equal(await a.locator('.person').count(), 2, 'the first tab sees two people');
    assert.equal(Object.keys(await beaconfire.read(`demo-rooms/${room}/people`, 'chat')).length, 2);

    await say(a, 'Hello from the first tab');
    await b.getByRole('log').getByText('Hello from the first tab').waitFor();
    await say(b, '<b>Hello</b> from the second');
    await a.getByRole('log').getByText('<b>Hello</b> from the second').waitFor();

    const records = await a.getByRole('list', { name: 'Records, newest first' }).getByRole('listitem').allInnerTexts();
    for (const kind of ['person', 'offer', 'answer', 'candidate']) {
      assert.ok(records.some((record) => record.includes(kind)), `the log shows a record of kind ${kind}`);
    }
    for (const page of [a, b]) {
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'fits the width');
      assert.deepEqual([...page.outside], [], 'asks nobody but its own server');
      assert.deepEqual(page.said.filter((line) => /^(error|uncaught)/.test(line)), [], 'no error on the console');
    }

    const folder = await mkdtemp(join(tmpdir(), 'beaconfire-demo-'));
    await a.screenshot({ path: join(folder, 'desktop.png') });
    await b.screenshot({ path: join(folder, 'phone.png') });
    t.diagnostic(`screenshots: ${folder}`);

    await closeTab(b);
    await a.getByRole('status').getByText('Waiting for someone to join').waitFor({ timeout: 5_000 });
    await until('the list to show one person', async () => (await a.locator('.person').count()) === 1);
    await a.close();
  });

  test('three tabs link in pairs, and one that leaves does not part the others', async () => {
    const url = `${beaconfire.url}/demo/?room=three`;
    const tabs = [];
    for (let n = 0; n < 3; n++) tabs.push(await browser.open(url, DESKTOP));
    const linked = (page) => page.locator('.person[data-state="open"]').count();
    for (const tab of tabs) await until('two links', async () => (await linked(tab)) === 2);
    const [a, b, c] = tabs;

    await closeTab(b);
    for (const tab of [a, c]) await until('one link', async () => (await linked(tab)) === 1);
    await say(c, 'still here');
    await a.getByRole('log').getByText('still here').waitFor();
    await a.close();
    await c.close();
  });

  async function say(page, text) {
    await page.getByLabel('Message', { exact: true }).fill(text);
    await page.getByRole('button', { name: 'Send' }).click();
  }
});
