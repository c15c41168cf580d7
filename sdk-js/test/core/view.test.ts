// Views and pending writes: which events lead from one state to the next. No network, no clock.

import { expect, test } from 'vitest';
import { fromJson, type Json } from '../../src/core/json.ts';
import { parsePath } from '../../src/core/path.ts';
import { newWrite } from '../../src/core/pending.ts';
import { listenText, type Query, WHOLE } from '../../src/core/query.ts';
import { Sync } from '../../src/core/sync.ts';
import type { EventType, Firing, Registration } from '../../src/core/view.ts';

const TYPES: readonly EventType[] = ['child_removed', 'child_added', 'child_moved', 'child_changed', 'value'];

class Bench {
  readonly sync: Sync = new Sync();

  listen(path: string, query: Query = WHOLE): string {
    for (const event of TYPES) this.sync.listen(parsePath(path), query, registration(event));
    return listenText(parsePath(path), query);
  }

  write(path: string, json: Json) {
    const write = newWrite([[parsePath(path), fromJson(json)]]);
    return { write, events: lines(this.sync.write(write)) };
  }
}

function registration(event: EventType): Registration {
  return { event, callback: null, context: null, removed: false, fire() {}, cancel() {} };
}

function lines(firings: readonly Firing[]): string[] {
  return firings.map(({ change: { type, key, prevKey } }) => {
    if (type === 'value') return type;
    return type === 'child_removed' ? `${type} ${key}` : `${type} ${key} after ${prevKey}`;
  });
}

test('events come by type, each type in the order of the index, with the key before', () => {
  const bench = new Bench();
  const text = bench.listen('/l');
  bench.sync.put(text, '/', { a: 1, b: 2, c: 3, d: 4 });
  expect(
    lines(bench.sync.patch(text, '/', { d: null, b: null, a: { '.value': 1, '.priority': 9 }, c: 30, x: 1, e: 1 })),
  ).toEqual([
    'child_removed b',
    'child_removed d',
    'child_added e after c',
    'child_added x after e',
    'child_moved a after x',
    'child_changed c after null',
    'child_changed a after x',
    'value',
  ]);
});

test('a put that changes nothing tells nothing', () => {
  const bench = new Bench();
  const text = bench.listen('/l');
  bench.sync.put(text, '/', { a: { b: 1 } });
  expect(bench.sync.put(text, '/', { a: { b: 1 } })).toEqual([]);
  expect(bench.sync.put(text, '/a', { b: 1 })).toEqual([]);
});

test('a deep change is one child_changed; a leaf that becomes an object adds children', () => {
  const bench = new Bench();
  const text = bench.listen('/l');
  bench.sync.put(text, '/', { a: { b: { c: 1 } } });
  expect(lines(bench.sync.put(text, '/a/b/c', 2))).toEqual(['child_changed a after null', 'value']);
  expect(lines(bench.sync.put(text, '/', 'leaf'))).toEqual(['child_removed a', 'value']);
  expect(lines(bench.sync.put(text, '/x', 1))).toEqual(['child_added x after null', 'value']);
});

test('moving by a child value counts even to the same place', () => {
  const bench = new Bench();
  const text = bench.listen('/l', { index: 'n' });
  bench.sync.put(text, '/', { a: { n: 1 }, b: { n: 5 } });
  expect(lines(bench.sync.put(text, '/a/n', 2))).toEqual([
    'child_moved a after null',
    'child_changed a after null',
    'value',
  ]);
});

test('without data, whole children of own writes show, pieces of unknown ones do not, and there is no value', () => {
  const bench = new Bench();
  const text = bench.listen('/l');
  expect(bench.write('/l/a', 1).events).toEqual(['child_added a after null']);
  expect(bench.write('/l/b/deep', 1).events).toEqual([]);
  expect(lines(bench.sync.put(text, '/', { b: { x: 1 } }))).toEqual(['child_added b after a', 'value']);
});

test('a set above makes a listener complete without the server', () => {
  const bench = new Bench();
  bench.listen('/l');
  expect(bench.write('/', { l: { a: 1 } }).events).toEqual(['child_added a after null', 'value']);
});

test('a refused write leaves the other pending ones', () => {
  const bench = new Bench();
  const text = bench.listen('/l');
  bench.sync.put(text, '/', { a: 1 });
  const { write } = bench.write('/l/a', 2);
  bench.write('/l/b', 3);
  expect(lines(bench.sync.revert(write))).toEqual(['child_changed a after null', 'value']);
});

test('an acknowledged write goes over into the data of the server without an event', () => {
  const bench = new Bench();
  const text = bench.listen('/l');
  bench.sync.put(text, '/', null);
  bench.write('/l/a', 1).write.n = 1;
  expect(bench.sync.put(text, '/a', 1)).toEqual([]);
  expect(bench.sync.ack(1)).toEqual([]);
  expect(lines(bench.sync.put(text, '/a', null))).toEqual(['child_removed a', 'value']);
});

test('a change of somebody else below an own pending write stays hidden until the write is done', () => {
  const bench = new Bench();
  const text = bench.listen('/l');
  bench.sync.put(text, '/', { a: 1 });
  bench.write('/l/a', 2).write.n = 1;
  expect(bench.sync.put(text, '/a', 99)).toEqual([]);
  bench.sync.put(text, '/a', 2);
  expect(bench.sync.ack(1)).toEqual([]);
});

test('a write acknowledged before a listener has its first data does not flicker there', () => {
  const bench = new Bench();
  bench.write('/l/a', 1).write.n = 1;
  const text = bench.listen('/l');
  expect(bench.sync.ack(1)).toEqual([]);
  expect(lines(bench.sync.put(text, '/', { a: 1 }))).toEqual(['value']);
});

test('a window: one leaves when another enters, and the server fills the gap', () => {
  const bench = new Bench();
  const text = bench.listen('/l', { index: '$key', limit: 2, from: 'last' });
  bench.sync.put(text, '/', { b: 1, c: 1 });
  expect(bench.write('/l/d', 1).events).toEqual(['child_removed b', 'child_added d after c', 'value']);
  expect(bench.write('/l/c', null).events).toEqual(['child_removed c', 'child_added b after null', 'value']);
});

test('a piece of a child outside the window does not drag it in', () => {
  const bench = new Bench();
  const text = bench.listen('/l', { index: 'n', limit: 1, from: 'first' });
  bench.sync.put(text, '/', { a: { n: 5 } });
  expect(bench.write('/l/z/n', 1).events).toEqual([]);
  expect(lines(bench.sync.patch(text, '/', { a: null, z: { n: 1, x: 2 } }))).toEqual([
    'child_removed a',
    'child_added z after null',
    'value',
  ]);
});

test('a listener below another one knows at once what that one knows', () => {
  const bench = new Bench();
  const text = bench.listen('/l');
  bench.sync.put(text, '/', { a: { b: 1 } });
  const { firings } = bench.sync.listen(['l', 'a', 'b'], WHOLE, registration('value'));
  expect(lines(firings)).toEqual(['value']);
});
