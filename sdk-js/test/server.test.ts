// What the scenarios cannot say, against a real server: transactions, presence, and sessions that come and go.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Firebase } from '../src/index.ts';
import { type Beaconfire, beaconfire } from './support/beaconfire.ts';
import { record } from './support/record.ts';
import { until } from './support/wait.ts';

let server: Beaconfire;
let sdks: [typeof Firebase, typeof Firebase];
let here: Firebase;
let there: Firebase;

beforeAll(async () => {
  server = await beaconfire();
  const fresh = async () => {
    vi.resetModules();
    return (await import('../src/index.ts')).Firebase;
  };
  sdks = [await fresh(), await fresh()];
});

beforeEach(() => {
  const url = `${server.url}/room?ns=s${randomUUID()}`;
  [here, there] = [new sdks[0](url), new sdks[1](url)];
});

afterAll(async () => {
  for (const sdk of sdks ?? []) sdk.goOffline();
  await server?.stop();
});

test('transactions of two clients on one counter add up', async () => {
  const add = (n: number | null) => (n ?? 0) + 1;
  await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? here : there).child('n').transaction(add)));
  expect((await here.child('n').once('value')).val()).toBe(20);
});

test('own writes are told once, in order, and others hear the same', async () => {
  const own = record(here, ['child_added', 'child_changed']);
  const others = record(there, ['child_added', 'child_changed']);
  await Promise.all([here.once('value'), there.once('value')]);
  for (let i = 0; i < 20; i++) here.child('k').set(i);
  here.push('end');
  await until('the end', () => own.length === 21 && others.length === 21);
  expect(others).toEqual(own);
});

test('onDisconnect runs at goOffline, and others hear of it', async () => {
  await here.child('me').set('here');
  await here.child('me').onDisconnect().remove();
  await here.child('seen').onDisconnect().set(sdks[0].ServerValue.TIMESTAMP);
  const lines = record(there, ['child_removed']);
  await until('the presence', () => lines.length === 0);
  await there.once('value');
  sdks[0].goOffline();
  await until('the absence', () => lines.length === 1);
  expect(lines).toEqual(['child_removed me="here"']);
  expect((await there.child('seen').once('value')).val()).toBeTypeOf('number');
  sdks[0].goOnline();
});

test('offline and back: only the differences are told', async () => {
  await there.set({ a: 1, b: 2 });
  const lines = record(here, ['child_added', 'child_changed', 'child_removed', 'value']);
  await until('the data', () => lines.length === 3);
  sdks[0].goOffline();
  here.child('mine').set(true);
  await there.update({ a: 10, b: null });
  sdks[0].goOnline();
  await until('the differences', () => lines.at(-1) === 'value {"a":10,"mine":true}');
  expect(lines.slice(3)).toEqual([
    'child_added mine=true after b',
    'value {"a":1,"b":2,"mine":true}',
    'child_removed b=2',
    'child_changed a=10 after null',
    'value {"a":10,"mine":true}',
  ]);
});
