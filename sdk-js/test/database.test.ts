// The SDK against a server in this process: what listeners see, and what goes over the wire.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Firebase } from '../src/index.ts';
import { Peer } from './support/peer.ts';
import { ALL_EVENTS, CHILD_EVENTS, record } from './support/record.ts';
import { gate, until } from './support/wait.ts';

let peer: Peer;
let ref: Firebase;

beforeEach(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  peer = await Peer.start();
  ref = new Firebase(`${peer.origin}/room?ns=test`);
});

afterEach(async () => {
  Firebase.goOffline();
  await peer.stop();
  Firebase.goOnline();
});

/** Waits until the stream has brought all that the writes so far have caused: a later event comes after them. */
async function caughtUp(): Promise<void> {
  const mark = ref.root().child('mark');
  let seen: unknown;
  const listening = mark.on('value', (snapshot) => {
    seen = snapshot.val();
  });
  const written = Math.random();
  await mark.onDisconnect().cancel(); // in the queue, behind all own writes
  peer.set('/mark', written);
  await until('the mark', () => seen === written);
  mark.off('value', listening);
}

test('children present when attaching are replayed in order, then live ones come', async () => {
  peer.set('/room', { b: 2, a: 1 });
  const lines = record(ref, ['child_added']);
  await until('the replay', () => lines.length === 2);
  peer.set('/room/c', 3);
  await until('the live child', () => lines.length === 3);
  expect(lines).toEqual(['child_added a=1 after null', 'child_added b=2 after a', 'child_added c=3 after b']);
});

test('a listener on nothing gets one null value', async () => {
  const lines = record(ref, ['value']);
  await until('the value', () => lines.length > 0);
  expect(lines).toEqual(['value null']);
});

test('an own write is shown at once and exactly once', async () => {
  const lines = record(ref, ALL_EVENTS);
  await until('the first value', () => lines.length === 1);
  const written = ref.child('a').set(1);
  expect(lines.slice(1)).toEqual(['child_added a=1 after null', 'value {"a":1}']);
  await written;
  peer.set('/room/end', true);
  await until('a later event', () => lines.length > 3);
  expect(lines.slice(3)).toEqual(['child_added end=true after a', 'value {"a":1,"end":true}']);
});

test('a push is a reference at once, a promise of the write, and one child_added', async () => {
  const lines = record(ref, ['child_added']);
  const pushed = ref.push('hi');
  expect(pushed.key()).toMatch(/^[-\w]{20}$/);
  expect(lines).toEqual([`child_added ${pushed.key()}="hi" after null`]);
  const plain = await pushed;
  expect(plain.toString()).toBe(pushed.toString());
  expect(peer.data.at(['room', pushed.key()!]).value).toBe('hi');
  expect(lines).toHaveLength(1);
});

test('pushes of one millisecond sort in the order of the calls', () => {
  const keys = Array.from({ length: 100 }, () => ref.push().key()!);
  expect([...keys].sort()).toEqual(keys);
});

test('a refused write is taken back, and the callback and the promise get the error', async () => {
  peer.denied.add('/room/a');
  peer.set('/room', { b: 1 });
  const lines = record(ref, CHILD_EVENTS);
  await until('the first child', () => lines.length === 1);
  const errors: unknown[] = [];
  const written = ref.child('a').set(5, (error) => errors.push(error));
  await expect(written).rejects.toThrow('permission_denied');
  expect(errors).toMatchObject([{ code: 'PERMISSION_DENIED' }]);
  expect(lines.slice(1)).toEqual(['child_added a=5 after null', 'child_removed a=5']);
});

test('a refused write that nobody looks at makes no unhandled rejection', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  peer.denied.add('/room');
  ref.set(1);
  ref.push(2);
  ref.once('value');
  ref.transaction(() => 1);
  await until('the requests', () => peer.requests.length === 3);
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test('a refused listener calls its cancel callback with its context', async () => {
  peer.denied.add('/room');
  const context = {};
  const cancelled = vi.fn(function (this: unknown, error: Error) {
    return [this, error.message];
  });
  ref.on('value', () => {}, cancelled, context);
  await until('the cancellation', () => cancelled.mock.calls.length === 1);
  expect(cancelled.mock.results[0]!.value).toEqual([context, 'permission_denied']);
});

test('requests of one turn leave in one POST, and a read after a write sees it', async () => {
  ref.child('a').set(1);
  ref.update({ b: 2, 'c/d': 3 });
  const snapshot = await ref.once('value');
  expect(snapshot.val()).toEqual({ a: 1, b: 2, c: { d: 3 } });
  expect(peer.requests.map((request) => Object.keys(request)[0])).toEqual(['set', 'update', 'get']);
});

test('once on a complete cache answers at once and asks nobody', async () => {
  peer.set('/room', { a: { x: 1 } });
  const lines = record(ref, ['value']);
  await until('the value', () => lines.length === 1);
  const asked = peer.requests.length;
  let seen: unknown;
  ref.child('a/x').once('value', (snapshot) => {
    seen = snapshot.val();
  });
  expect(seen).toBe(1);
  expect(peer.requests.length).toBe(asked);
});

test('once for a child event gives the first and stops', async () => {
  peer.set('/room', { a: 1, b: 2 });
  const snapshot = await ref.once('child_added');
  expect([snapshot.key(), snapshot.val()]).toEqual(['a', 1]);
  await until('the unlisten', () => peer.requests.some((request) => request.unlisten === '/room'));
});

test('a window: a new child pushes the oldest out, at once and without flicker', async () => {
  peer.set('/room', { a: 1, b: 2, c: 3 });
  const lines = record(ref.limitToLast(2), CHILD_EVENTS);
  await until('the window', () => lines.length === 2);
  ref.child('d').set(4);
  expect(lines).toHaveLength(4);
  await caughtUp();
  ref.child('d').remove();
  expect(lines).toHaveLength(5);
  await caughtUp();
  expect(lines).toEqual([
    'child_added b=2 after null',
    'child_added c=3 after b',
    'child_removed b=2',
    'child_added d=4 after c',
    'child_removed d=4',
    'child_added b=2 after null',
  ]);
});

test('a local timestamp is a guess with the clock of the server, replaced by the true one', async () => {
  peer.clockAhead = 3_600_000;
  const offsets: number[] = [];
  const root = new Firebase(`${peer.origin}?ns=test`);
  root.child('.info/serverTimeOffset').on('value', (snapshot) => offsets.push(snapshot.val()));
  await until('the offset', () => offsets.length === 2);
  expect(Math.abs(offsets[1]! - 3_600_000)).toBeLessThan(1_000);
  const lines = record(ref, ['value']);
  await ref.set(Firebase.ServerValue.TIMESTAMP);
  const guess = Number(lines[0]!.slice(6));
  expect(Math.abs(guess - Date.now() - 3_600_000)).toBeLessThan(1_000);
  await until('the value of the server', () => lines.at(-1) === `value ${peer.data.at(['room']).value}`);
});

test('increments guess on what is shown, and the server adds them up', async () => {
  const lines = record(ref, ['value']);
  await until('the value', () => lines.length === 1);
  ref.set(Firebase.ServerValue.increment(2));
  await ref.set(Firebase.ServerValue.increment(3));
  expect(lines).toEqual(['value null', 'value 2', 'value 5']);
  expect(peer.data.at(['room']).value).toBe(5);
});

test('events for one place in two orders share one listener', async () => {
  peer.set('/room', { a: { n: 2 }, b: { n: 1 } });
  const byKey = record(ref.orderByKey(), ['child_added']);
  const byN = record(ref.orderByChild('n'), ['child_added']);
  await until('both', () => byKey.length === 2 && byN.length === 2);
  expect(byN).toEqual(['child_added b={"n":1} after null', 'child_added a={"n":2} after b']);
  expect(peer.requests).toEqual([{ listen: '/room' }]);
});

test('off: one callback, one context, one event, all', async () => {
  const calls: string[] = [];
  const [first, second] = [{}, {}];
  const callback = (name: string) => () => calls.push(name);
  const [a, b, c, d] = [callback('a'), callback('b'), callback('c'), callback('d')];
  ref.on('value', a);
  ref.on('value', b, first);
  ref.on('value', b, second);
  ref.limitToLast(1).on('value', c);
  ref.on('child_added', d);
  await until('the first values', () => calls.length === 4);
  calls.length = 0;
  ref.off('value', a);
  ref.off('value', b, first);
  ref.child('x').set(1);
  expect(calls.sort()).toEqual(['b', 'c', 'd']);
  calls.length = 0;
  ref.off('value');
  ref.child('y').set(1);
  expect(calls).toEqual(['d']);
  ref.off();
  await until('the last unlisten', () => peer.requests.filter((request) => request.unlisten).length === 2);
});

test('a callback that throws does not disturb the others', async () => {
  const thrown = vi.fn();
  process.prependOnceListener('uncaughtException', thrown);
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const seen = vi.fn();
  ref.set(1);
  ref.on('value', () => {
    throw new Error('mine');
  });
  ref.on('value', seen);
  expect(seen).toHaveBeenCalledOnce();
  expect(() => vi.runAllTimers()).toThrow('mine');
  vi.useRealTimers();
  process.off('uncaughtException', thrown);
});

test('writes wait for a slow server in order, one POST at a time', async () => {
  await ref.set(0);
  const slow = gate();
  peer.gate = slow.promise;
  const done: number[] = [];
  ref.set(1, () => done.push(1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  ref.set(2, () => done.push(2));
  ref.set(3, () => done.push(3));
  slow.open();
  await until('all', () => done.length === 3);
  expect(done).toEqual([1, 2, 3]);
  expect(peer.requests.map((request) => request.data)).toEqual([0, 1, 2, 3]);
});

test('a request is sent however soon after an answer it is asked for', async () => {
  for (let ticks = 0; ticks < 12; ticks++) {
    await ref.set(ticks);
    for (let i = 0; i < ticks; i++) await null;
    expect(await ref.child('x').set(null)).toBeUndefined();
  }
});

test('priorities: set, order, move', async () => {
  ref.child('a').setWithPriority({ x: 1 }, 2);
  await ref.child('b').setWithPriority('leaf', 1);
  const lines = record(ref, CHILD_EVENTS);
  await until('the replay', () => lines.length === 2);
  await ref.child('b').setPriority(3);
  expect(lines).toEqual([
    'child_added b={".value":"leaf",".priority":1} after null',
    'child_added a={"x":1,".priority":2} after b',
    'child_moved b={".value":"leaf",".priority":3} after a',
    'child_changed b={".value":"leaf",".priority":3} after a',
  ]);
  expect(peer.data.at(['room', 'b']).priority).toBe(3);
});

test('a key called __proto__ is data and nothing else', async () => {
  const lines = record(ref, ['value']);
  await ref.child('__proto__/polluted').set(true);
  const snapshot = await ref.once('value');
  expect(lines.at(-1)).toBe('value {"__proto__":{"polluted":true}}');
  expect(Object.hasOwn(snapshot.val(), '__proto__')).toBe(true);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});
