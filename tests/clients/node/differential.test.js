// The same random sequences through SDK 12 (WebSocket), SDK 2.4.2 (long polling), REST and the model: the same values,
// orders and events everywhere.
//
//   SEED=17 N=1 npm test -- differential.test.js    one sequence again
//   N=10000 npm test -- differential.test.js        the long run

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Beaconfire } from '../../browser/support/beaconfire.js';
import { SdkChannel } from './support/channels.js';
import { runSeeds } from './support/differential.js';
import { RestChannel } from './support/rest.js';
import { load } from './support/sdks.js';
import { World } from './support/world.js';

const SEED = Number(process.env.SEED ?? 1);
const COUNT = Number(process.env.N ?? 200);
const NS = 'chat';
/** REST refuses queries without an index. The SDKs get along without; 2.4.2 shall, so that both ways are tested. */
const INDEXED = { '.indexOn': ['n', 'deep/n', '.value'] };
const RUNS = { $run: { ...INDEXED, $list: { ...INDEXED, $child: { ...INDEXED, $part: INDEXED } } } };
const RULES = { '.read': true, '.write': true, d: { REST: RUNS }, differential: { d: { 'firebase-12': RUNS } } };
const LIMIT_MS = 60_000 + COUNT * 500;

test(`${COUNT} random sequences from seed ${SEED} on are the same everywhere`, { timeout: LIMIT_MS }, async () => {
  console.warn = () => {}; // the SDKs warn of every refused write, and of missing indexes
  const beaconfire = await Beaconfire.start();
  const worlds = [];
  try {
    const rules = { method: 'PUT', body: JSON.stringify({ rules: RULES }) };
    const { status } = await fetch(`${beaconfire.url}/.settings/rules.json?ns=${NS}`, rules);
    assert.equal(status, 200, 'the rules are taken');
    const channels = [new RestChannel(beaconfire.url, NS)];
    for (const name of ['firebase 12', 'firebase 2.4.2 long polling']) {
      const sdk = await load(name);
      const world = new World(beaconfire, sdk, 'differential', NS);
      worlds.push(world);
      channels.push(new SdkChannel(name, sdk, await world.connect(), await world.connect()));
    }
    const failures = await runSeeds(channels, SEED, COUNT);
    assert.equal(failures.length, 0, `\n${failures.join('\n\n')}`);
  } finally {
    await Promise.all(worlds.map((world) => world.close()));
    await beaconfire.stop();
  }
});
