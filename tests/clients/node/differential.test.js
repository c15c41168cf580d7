// The same random sequences through SDK 12 (WebSocket), SDK 2.4.2 (long polling), REST and the model: the same values,
// orders and events everywhere.
//
//   SEED=17 N=1 node --test differential.test.js      one sequence again
//   N=10000 node --test differential.test.js          the long run

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Beaconfire } from '../../browser/support/beaconfire.js';
import { RestChannel, SdkChannel } from './support/channels.js';
import { runSeeds } from './support/differential.js';
import { load } from './support/sdks.js';
import { World } from './support/world.js';

const SEED = Number(process.env.SEED ?? 1);
const COUNT = Number(process.env.N ?? 200);
const NS = 'chat';
const LIMIT_MS = 60_000 + COUNT * 200;

test(`${COUNT} random sequences from seed ${SEED} on are the same everywhere`, { timeout: LIMIT_MS }, async () => {
  const beaconfire = await Beaconfire.start();
  const worlds = [];
  try {
    const channels = [new RestChannel(beaconfire.url, NS)];
    for (const name of ['firebase 12', 'firebase 2.4.2']) {
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
