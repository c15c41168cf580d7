// Runs the one list of scenarios with one SDK against a server of its own.

import { after, before, describe, test } from 'node:test';
import { Beaconfire } from '../../../browser/support/beaconfire.js';
import { scenarios } from '../scenarios/index.js';
import { load } from './sdks.js';
import { World } from './world.js';

export function runAll(name) {
  describe(name, { timeout: 300_000 }, () => {
    let beaconfire, sdk;

    before(async () => {
      sdk = await load(name);
      beaconfire = await Beaconfire.start();
    });

    after(() => beaconfire?.stop());

    for (const [number, { title, needs = [], run }] of scenarios.entries()) {
      test(title, { timeout: 60_000 }, async (context) => {
        const missing = needs.find((feature) => (feature[0] === '!') === sdk.features.has(feature.replace('!', '')));
        if (missing) return context.skip(`this SDK: ${missing}`);
        const world = new World(beaconfire, sdk, `s${number}`);
        try {
          await run(world);
        } finally {
          await world.close();
        }
      });
    }
  });
}
