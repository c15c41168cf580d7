// Apps and libraries that others wrote on the Firebase SDK, from npm, as they are: they know nothing of this server.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { Beaconfire } from '../../browser/support/beaconfire.js';
import { until } from '../../browser/support/wait.js';

const require = createRequire(import.meta.url);
const firebase = require('firebase/app').default;
require('firebase/database');

describe('apps from npm', { timeout: 120_000 }, () => {
  let beaconfire;
  const apps = [];

  /** A reference in an app, and so a connection, of its own. */
  function user(path) {
    const app = firebase.initializeApp({ databaseURL: `${beaconfire.url}?ns=apps` }, `user-${apps.length}`);
    apps.push(app);
    return app.database().ref(path);
  }

  before(async () => {
    beaconfire = await Beaconfire.start();
  });

  after(async () => {
    await Promise.all(apps.map((app) => app.delete()));
    await beaconfire?.stop();
  });

  test('Firepad: writers of one document contend for each revision, and all see the same text', async () => {
    globalThis.firebase = firebase; // as its script tag makes it
    const { Headless } = require('firepad');
    const pads = Array.from({ length: 4 }, () => new Headless(user('pad')));
    const text = (pad) => new Promise((done) => pad.getText(done));
    const told = (done, failed) => (error) => (error ? failed(error) : done());
    const write = (pad, line) => new Promise((done, failed) => pad.setText(line, told(done, failed)));
    const writeLines = async (pad, name) => {
      for (let n = 0; n < 30; n++) await write(pad, `line ${n} of writer ${name}, with ünï¢ode 😀\n`);
    };
    await Promise.all(pads.map(writeLines));

    const { history, checkpoint } = await beaconfire.read('pad', 'apps');
    assert.equal(Object.keys(history).length, 120, 'each revision was won by one writer');
    assert.equal(new Set(Object.values(history).map(({ a }) => a)).size, 4, 'all four wrote');
    const times = Object.keys(history).sort().map((id) => history[id].t);
    assert.deepEqual(times, [...times].sort((a, b) => a - b), 'the server stamped them in order');
    assert.ok(checkpoint.o, 'after 100 revisions there is a checkpoint');

    const last = await text(pads[0]);
    assert.match(last, /^line 29 of writer \d, with ünï¢ode 😀\n$/);
    const newcomer = new Headless(user('pad'));
    assert.equal(await text(newcomer), last, 'who comes later starts at the checkpoint');
    for (const pad of pads) await until('the last revision', async () => (await text(pad)) === last);

    const html = '<b>bold</b> and <i>italic</i>';
    await new Promise((done, failed) => newcomer.setHtml(html, told(done, failed)));
    const seen = () => new Promise((done) => pads[1].getHtml(done));
    await until('the formatted text', async () => /<b>bold<\/b>.*<i>italic<\/i>/.test(await seen()));
    for (const pad of [...pads, newcomer]) pad.dispose();
  });

  test('GeoFire: what moves enters and leaves the circles of another user', async () => {
    const { GeoFire } = require('geofire');
    const fleet = new GeoFire(user('fleet'));
    const circle = new GeoFire(user('fleet')).query({ center: [52.52, 13.405], radius: 10 });
    const log = [];
    for (const event of ['key_entered', 'key_moved', 'key_exited']) {
      circle.on(event, (key) => log.push(`${event.slice(4)} ${key}`));
    }
    const heard = async (...lines) => {
      await until(`${lines} (heard: ${log})`, () => log.length >= lines.length);
      assert.deepEqual(log.splice(0).sort(), lines.sort());
    };
    await new Promise((ready) => circle.on('ready', ready));

    await fleet.set({ near: [52.53, 13.41], far: [48.14, 11.58], edge: [52.6, 13.4] });
    await heard('entered near', 'entered edge');
    await fleet.set('near', [52.51, 13.39]);
    await heard('moved near');
    await fleet.set({ edge: [53.5, 10], far: [52.5, 13.4] });
    await heard('exited edge', 'entered far');
    circle.updateCriteria({ center: [53.55, 9.99], radius: 15 });
    await heard('exited near', 'exited far', 'entered edge');
    await fleet.remove('edge');
    await heard('exited edge');
    assert.deepEqual(await fleet.get('near'), [52.51, 13.39]);
    circle.cancel();
  });
});
