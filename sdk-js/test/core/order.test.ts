// The order vectors of the protocol: keys, values, priorities.

import { expect, test } from 'vitest';
import { fromJson } from '../../src/core/json.ts';
import { compareKeys, compareValues, INNER, type IndexValue } from '../../src/core/order.ts';
import { select } from '../../src/core/query.ts';

/** Each is below the next, and all pairs agree. */
function checkAscending<T>(compare: (a: T, b: T) => number, ascending: readonly T[]): void {
  ascending.forEach((a, i) => {
    ascending.forEach((b, j) => {
      expect(Math.sign(compare(a, b)), `${String(a)} against ${String(b)}`).toBe(Math.sign(i - j));
    });
  });
}

test('keys: 32-bit integers by value and length, then UTF-16 code units', () => {
  checkAscending(compareKeys, [
    ...['-2147483648', '-5', '0', '-0', '1', '01', '001', '9', '10', '2147483647'],
    ...['-2147483649', '2147483648', 'a', 'z', '😀', '\uffff'],
  ]);
});

test('values: null, booleans, numbers, strings, inner nodes', () => {
  const ascending: IndexValue[] = [null, false, true, -1.5, 0, 2, 10, '', '10', '2', 'a', INNER];
  checkAscending(compareValues, ascending);
  expect(compareValues(0, -0)).toBe(0);
  expect(compareValues(INNER, INNER)).toBe(0);
});

test('children of a plain listener: by priority, none before numbers before strings, ties by key', () => {
  const node = fromJson({
    a: { '.value': 1, '.priority': 'x' },
    b: { '.value': 1, '.priority': 2 },
    d: 1,
    c: 1,
    e: { '.value': 1, '.priority': -1 },
  });
  expect(node.ordered('$priority').map(([key]) => key)).toEqual(['c', 'd', 'e', 'b', 'a']);
});

test('an order is kept through changes', () => {
  let node = fromJson({ a: 3, b: 1, c: 2 });
  node.ordered('$value');
  for (const [key, value] of [
    ['d', 0],
    ['a', 1],
    ['c', null],
    ['e', 'x'],
    ['b', 5],
  ] as const) {
    node = node.with([key], fromJson(value));
    const fresh = fromJson(Object.fromEntries([...node.children].map(([name, child]) => [name, child.value])));
    expect(node.ordered('$value').map(([name]) => name)).toEqual(fresh.ordered('$value').map(([name]) => name));
  }
});

test('bounds with a key cut within equal values', () => {
  const node = fromJson({ a: { n: 1 }, b: { n: 1 }, c: { n: 1 }, d: { n: 2 }, e: { m: 1 } });
  const keys = (query: object) => [...select(node, { index: 'n', ...query }).children.keys()];
  expect(keys({ start: { value: 1, key: 'b' } })).toEqual(['b', 'c', 'd']);
  expect(keys({ end: { value: 1, key: 'b' } })).toEqual(['e', 'a', 'b']);
  expect(keys({ start: { value: null }, end: { value: null } })).toEqual(['e']);
  expect(keys({ limit: 2, from: 'last' })).toEqual(['c', 'd']);
  expect(keys({ limit: 2, from: 'first' })).toEqual(['e', 'a']);
});
