// The scenarios of tests/conformance against a real server: the one at BEACONFIRE_URL, else one started for the test.

import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Firebase } from '../src/index.ts';
import { type Beaconfire, beaconfire } from './support/beaconfire.ts';
import { type Scenario, ScenarioRun } from './support/scenario.ts';

const FOLDER = resolve(import.meta.dirname, '../../tests/conformance');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

let server: Beaconfire;
let sdks: (typeof Firebase)[];

/** A copy of the SDK that shares nothing with the others, as in another page. */
async function freshSdk(): Promise<typeof Firebase> {
  vi.resetModules();
  return (await import('../src/index.ts')).Firebase;
}

beforeAll(async () => {
  server = await beaconfire();
  sdks = [await freshSdk(), await freshSdk(), await freshSdk()];
});

afterAll(async () => {
  for (const sdk of sdks ?? []) sdk.goOffline();
  await server?.stop();
});

test('there are scenarios', () => {
  expect(files.length).toBeGreaterThan(0);
});

test.each(files)('%s', async (file) => {
  const scenario: Scenario = JSON.parse(readFileSync(join(FOLDER, file), 'utf8'));
  const ns = `c${randomUUID()}`;
  const [writer, listener, reader] = sdks;
  const run = new ScenarioRun((path) => `${server.url}/${path}?ns=${ns}`, writer!, listener!, reader!);
  await run.run(scenario);
});
