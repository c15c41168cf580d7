// Transactions: the outcome, what listeners see of it, and how it ends.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Firebase } from '../src/index.ts';
import { Peer } from './support/peer.ts';
import { record } from './support/record.ts';
import { until } from './support/wait.ts';

let peer: Peer;
let ref: Firebase;

beforeEach(async () => {
  peer = await Peer.start();
  ref = new Firebase(`${peer.origin}/n?ns=test`);
});

afterEach(async () => {
  Firebase.goOffline();
  await peer.stop();
  Firebase.goOnline();
});

test('without a listener it runs on what the server has', async () => {
  peer.set('/n', 41);
  const seen: unknown[] = [];
  const { committed, snapshot } = await ref.transaction((n) => {
    seen.push(n);
    return n + 1;
  });
  expect([committed, snapshot.val(), seen]).toEqual([true, 42, [41]]);
});

test('with a listener it runs at once, and the value is shown once', async () => {
  peer.set('/n', 1);
  const lines = record(ref, ['value']);
  await until('the value', () => lines.length === 1);
  const done = vi.fn();
  const result = ref.transaction((n) => n + 1, done);
  expect(lines).toEqual(['value 1', 'value 2']);
  await result;
  expect(done.mock.calls[0]!.slice(0, 2)).toEqual([null, true]);
  expect(lines).toHaveLength(2);
});

test('it runs again when somebody else was faster', async () => {
  peer.set('/n', 1);
  let rivals = 2;
  peer.beforeConditional = () => {
    if (rivals-- > 0) peer.set('/n', (peer.data.at(['n']).value as number) * 10);
  };
  const { snapshot } = await ref.transaction((n) => n + 1);
  expect([snapshot.val(), peer.data.at(['n']).value]).toEqual([101, 101]);
});

test('undefined gives up: nothing is written, and the data is in the snapshot', async () => {
  peer.set('/n', 7);
  const { committed, snapshot } = await ref.transaction(() => undefined);
  expect([committed, snapshot.val(), peer.data.at(['n']).value]).toEqual([false, 7, 7]);
});

test('twenty on one counter add up, whatever the interleaving', async () => {
  const lines = record(ref, ['value']);
  await until('the value', () => lines.length === 1);
  const all = Array.from({ length: 20 }, () => ref.transaction((n) => (n ?? 0) + 1));
  expect(lines.at(-1)).toBe('value 20');
  await Promise.all(all);
  expect(peer.data.at(['n']).value).toBe(20);
  expect(lines).toHaveLength(21);
});

test('with applyLocally false listeners see only the outcome', async () => {
  const lines = record(ref, ['value']);
  await until('the value', () => lines.length === 1);
  const result = ref.transaction(() => 5, null, false);
  expect(lines).toEqual(['value null']);
  await result;
  await until('the outcome', () => lines.length === 2);
  expect(lines[1]).toBe('value 5');
});

test('after 25 attempts it ends with maxretry, and what was shown is taken back', async () => {
  peer.set('/n', 0);
  let attempts = 0;
  peer.beforeConditional = () => peer.set('/n', ++attempts);
  await expect(ref.transaction((n) => n + 1000)).rejects.toThrow('maxretry');
  expect([attempts, peer.data.at(['n']).value]).toEqual([25, 25]);
});

test('a set of the application over it ends it', async () => {
  const ended = vi.fn();
  const result = ref.transaction((n) => (n ?? 0) + 1, ended);
  ref.set(100);
  await expect(result).rejects.toThrow('set');
  expect(ended.mock.calls[0]!.slice(1)).toEqual([false, null]);
});

test('priorities stay, unless the function returns one', async () => {
  peer.set('/n', { '.value': 1, '.priority': 'p' });
  await ref.transaction((n) => n + 1);
  expect(peer.data.at(['n'])).toMatchObject({ value: 2, priority: 'p' });
  await ref.transaction(() => ({ '.value': 3, '.priority': 'q' }));
  expect(peer.data.at(['n'])).toMatchObject({ value: 3, priority: 'q' });
});

test('an exception of the function, and data that is none, end it', async () => {
  const lines = record(ref, ['value']);
  await until('the value', () => lines.length === 1);
  expect(() => ref.transaction(() => Number.NaN)).toThrow('transaction failed: Data returned contains NaN in property');
  peer.denied.add('/other');
  await expect(
    ref
      .root()
      .child('x')
      .transaction(() => {
        throw new Error('mine');
      }),
  ).rejects.toThrow('mine');
});
