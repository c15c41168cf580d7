// The data model: emptiness, leaves, priorities, arrays, server values.

import { expect, test } from 'vitest';
import { exportJson, fromJson, toValue } from '../../src/core/json.ts';
import { Node } from '../../src/core/node.ts';

test('nothing is nothing, however it is written', () => {
  for (const json of [
    null,
    undefined,
    {},
    [],
    { a: null },
    { a: {}, b: [null] },
    { '.priority': 1 },
    { '.value': null },
  ]) {
    expect(fromJson(json).isEmpty).toBe(true);
  }
});

test('removing the last child empties the parents, with their priorities', () => {
  const node = fromJson({ a: { b: { c: 1 }, '.priority': 5 }, '.priority': 6 });
  expect(node.with(['a', 'b', 'c'], Node.EMPTY)).toBe(Node.EMPTY);
});

test('a child below a leaf makes it an inner node that keeps its priority', () => {
  const leaf = fromJson({ '.value': 'x', '.priority': 2 });
  expect(exportJson(leaf.with(['a'], Node.leaf(1)))).toEqual({ a: 1, '.priority': 2 });
  expect(leaf.with(['a', 'b'], Node.EMPTY)).toBe(leaf);
});

test('a priority is changed at its path, and not where there is nothing', () => {
  const node = fromJson({ a: 1 });
  expect(exportJson(node.with(['a', '.priority'], Node.leaf('p')))).toEqual({ a: { '.value': 1, '.priority': 'p' } });
  expect(node.with(['b', '.priority'], Node.leaf('p'))).toBe(node);
});

test('a value beside children wins', () => {
  expect(exportJson(fromJson({ '.value': 5, a: 1 }))).toBe(5);
});

test('arrays are objects inside, and arrays again for the application if they look like ones', () => {
  expect(exportJson(fromJson(['a', null, ['b']]))).toEqual({ 0: 'a', 2: { 0: 'b' } });
  const seen = (json: object) => toValue(fromJson(json));
  expect(seen({ 1: 'a' })).toEqual([undefined, 'a']);
  expect(seen({ 0: 'a', 2: 'c' })).toEqual(['a', undefined, 'c']);
  expect(Array.isArray(seen({ 2: 'a' }))).toBe(false);
  expect(Array.isArray(seen({ '01': 'a' }))).toBe(false);
});

test('equality is of values and priorities, not of history', () => {
  const one = fromJson({ a: { b: 1 }, c: 'x' });
  expect(one.with(['d'], Node.leaf(1)).with(['d'], Node.EMPTY).equals(one)).toBe(true);
  expect(one.equals(one.with(['c', '.priority'], Node.leaf(1)))).toBe(false);
  expect(fromJson(1).equals(fromJson('1'))).toBe(false);
});

test('server values become guesses', () => {
  const guess = { now: 1000, existing: () => fromJson({ n: 5, s: 'x' }) };
  const json = {
    t: { '.sv': 'timestamp' },
    n: { '.sv': { increment: 2 } },
    s: { '.sv': { increment: 2 } },
    p: { '.value': { '.sv': 'timestamp' }, '.priority': { '.sv': 'timestamp' } },
  };
  expect(exportJson(fromJson(json, guess))).toEqual({ t: 1000, n: 7, s: 2, p: { '.value': 1000, '.priority': 1000 } });
});
