// The official SDKs 12 and 2.4.2, unmodified, in real pages: the same scenarios as in Node, over a WebSocket, over
// forced long polling, and over long polling that goes over to a WebSocket.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { scenarios } from '../clients/node/scenarios/index.js';
import { Beaconfire } from './support/beaconfire.js';
import { Browser } from './support/chromium.js';
import { Realtime, serveTests } from './support/realtime.js';
import { until } from './support/wait.js';

const NS = 'chat';

/** Far below the silence after which a client counts as gone that says nothing. */
const GONE_MS = 10_000;

/** What must and must not be asked for, by transport. `s=` makes a WebSocket the second transport of a session. */
const ASKED = {
  websocket: { must: [/^\/\.ws\?/], never: [/^\/\.lp/] },
  'long-polling': { must: [/^\/\.lp\?.*start=t/, /^\/\.lp\?.*seg0=/], never: [/^\/\.ws/] },
  upgrade: { must: [/^\/\.lp\?.*start=t/, /^\/\.ws\?.*\bs=\w/], never: [] },
};

for (const sdk of ['12', '2']) {
  for (const transport of Object.keys(ASKED)) {
    describe(`SDK ${sdk} in a page over ${transport}`, { timeout: 600_000 }, () => {
      let browser, beaconfire, pages, realtime, page;

      before(async () => {
        beaconfire = await Beaconfire.start();
        pages = await serveTests();
        browser = await Browser.launch();
        realtime = new Realtime(browser, beaconfire, pages.url, sdk, transport);
        page = await realtime.open();
      });

      after(async () => {
        await realtime?.close();
        await browser?.close();
        await pages?.stop();
        await beaconfire?.stop();
      });

      for (const [number, { title, needs = [] }] of scenarios.entries()) {
        test(title, { timeout: 90_000 }, async (context) => {
          const features = await page.evaluate('features');
          const missing = needs.find((feature) => (feature[0] === '!') === features.includes(feature.replace('!', '')));
          if (missing) return context.skip(`this SDK: ${missing}`);
          await page.evaluate(([...args]) => window.run(...args), [title, `s${number}`, NS]);
        });
      }

      test('20 clients in five pages contend for one counter, and none is lost', async () => {
        const five = await Promise.all(Array.from({ length: 5 }, () => realtime.open()));
        const countUp = async (ns) => {
          const clients = await Promise.all([1, 2, 3, 4].map(() => window.client(null, 'contended', ns)));
          const all = await Promise.all(clients.map((client) => client.place('n').transaction((n) => (n || 0) + 1)));
          return all.every(({ committed }) => committed);
        };
        assert.deepEqual(await Promise.all(five.map((one) => one.evaluate(countUp, NS))), five.map(() => true));
        assert.deepEqual(await beaconfire.read('contended', NS), { n: 20 });
        await Promise.all(five.map((one) => one.context().close()));
      });

      test('a page that goes elsewhere is no longer present', async () => {
        const leaving = await realtime.open();
        await leaving.evaluate(([port, ns]) => (async () => {
          const client = await window.client(port, 'leaves', ns);
          await client.place('me').onDisconnect().remove();
          await client.place('me').set(true);
        })(), [beaconfire.port, NS]);
        assert.deepEqual(await beaconfire.read('leaves', NS), { me: true });
        await leaving.goto('about:blank');
        const isGone = async () => (await beaconfire.read('leaves', NS)) === null;
        await until('the presence to go', isGone, { timeoutMs: GONE_MS });
        await leaving.context().close();
      });

      test('a burst of writes from the first moment on arrives in order', async () => {
        const list = await page.evaluate(async ([ns]) => {
          const [writer, reader] = await Promise.all([1, 2].map(() => window.client(null, 'burst', ns)));
          await writer.place('here').onDisconnect().remove();
          writer.place('here').set(true);
          const heard = [];
          reader.place('n').on('value', (seen) => heard.push(seen.value));
          await reader.settled();
          const stored = [];
          for (let n = 1; n <= 200; n++) stored.push(writer.place('n').set(n));
          await Promise.all(stored);
          await reader.settled();
          await Promise.all([writer.settled(), reader.settled()]);
          return heard;
        }, [NS]);
        assert.deepEqual(list, [null, ...Array.from({ length: 200 }, (_, n) => n + 1)]);
        const stored = await beaconfire.read('burst', NS);
        assert.deepEqual(stored, { n: 200, here: true }, 'still present: no transport was lost');
      });

      test('the transport was the one to test', () => {
        for (const wanted of ASKED[transport].must) {
          assert.ok(realtime.requests.some((target) => wanted.test(target)), `${wanted}`);
        }
        for (const unwanted of ASKED[transport].never) {
          assert.deepEqual(realtime.requests.filter((target) => unwanted.test(target)), []);
        }
      });
    });
  }
}
