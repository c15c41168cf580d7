// Random rules, data and operations, judged by npm's targaryen in this process and by the server over REST.
//
//   SEED=17 N=1 node --test targaryen.test.js      one sequence again
//   N=5000 node --test targaryen.test.js           the long run: 125,000 operations

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Beaconfire } from '../../browser/support/beaconfire.js';
import { runSeeds } from './support/judges.js';

const SEED = Number(process.env.SEED ?? 1);
const COUNT = Number(process.env.N ?? 300);
const LIMIT_MS = 60_000 + COUNT * 300;

const TITLE = `${COUNT} random rule sets from seed ${SEED} on are judged alike by targaryen`;

test(TITLE, { timeout: LIMIT_MS }, async (context) => {
  const beaconfire = await Beaconfire.start();
  try {
    const { told, count } = await runSeeds(beaconfire.port, SEED, COUNT);
    context.diagnostic(JSON.stringify(count));
    assert.equal(told.length, 0, `\n${told.join('\n\n')}`);
  } finally {
    await beaconfire.stop();
  }
});
