// Orders: of keys, of values, and of the children of a node by an index.
//
// Source: Firebase realtime protocol 11.3 to 11.5. Strings compare by UTF-16 code units, as JavaScript does.

import type { Node } from './node.ts';

/** What children are ordered by: `$key`, `$value`, `$priority` or the value at a path below each child. */
export type Index = string;

export type Primitive = string | number | boolean;
export type Priority = string | number | null;

/** What an index sees of one child; inner nodes are all equal. */
export type IndexValue = Primitive | null | typeof INNER;

export const INNER: { readonly inner: true } = { inner: true };

const INTEGER = /^-?0*\d{1,10}$/;

/** The value of a key that counts as a 32-bit integer, else `null`. */
function integer(key: string): number | null {
  if (!INTEGER.test(key)) return null;
  const value = Number(key);
  return value === (value | 0) ? value : null;
}

/** Integers first, by value and then by length; then all others. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const x = integer(a);
  const y = integer(b);
  if (x !== null && y !== null && (x !== y || a.length !== b.length)) return x - y || a.length - b.length;
  if ((x === null) !== (y === null)) return x === null ? 1 : -1;
  return a < b ? -1 : 1;
}

function rank(value: IndexValue): number {
  if (value === null) return 0;
  if (typeof value === 'boolean') return value ? 2 : 1;
  if (typeof value === 'number') return 3;
  return typeof value === 'string' ? 4 : 5;
}

/** null, false, true, numbers, strings, inner nodes. Priorities are ordered by the same rule. */
export function compareValues(a: IndexValue, b: IndexValue): number {
  const ranks = rank(a) - rank(b);
  if (ranks !== 0) return ranks;
  if (typeof a === 'number') return a - (b as number);
  if (typeof a === 'string' && a !== b) return a < (b as string) ? -1 : 1;
  return 0;
}

/** The value by which `node` is ordered; `null` under `$key`, where only the key counts. */
export function indexValue(index: Index, node: Node): IndexValue {
  if (index === '$priority') return node.priority;
  if (index === '$key') return null;
  const seen = index === '$value' ? node : node.at(index.split('/'));
  return seen.children.size > 0 ? INNER : seen.value;
}

/** A child and its key. */
export type Entry = readonly [key: string, node: Node];

export function compareEntries(index: Index, a: Entry, b: Entry): number {
  return compareValues(indexValue(index, a[1]), indexValue(index, b[1])) || compareKeys(a[0], b[0]);
}

/** Where `entry` stands, or would stand, in `entries`, which are in the order of `index`. */
export function placeOf(entries: readonly Entry[], index: Index, entry: Entry): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareEntries(index, entries[middle]!, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
