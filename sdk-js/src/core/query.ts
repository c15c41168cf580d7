// Queries: which children of a node, in which order, and how they are written on the wire.

import { Node } from './node.ts';
import { compareKeys, compareValues, type Entry, type Index, indexValue, type Primitive } from './order.ts';
import { type Path, wirePath } from './path.ts';

/** One end of a range, inclusive. Under `$key` the value is `null` and the key counts. */
export interface Bound {
  readonly value: Primitive | null;
  /** Among equal values; without it, all of them are in. */
  readonly key?: string;
}

/** A query on the children of one node. */
export interface Query {
  readonly index: Index;
  readonly start?: Bound;
  readonly end?: Bound;
  readonly limit?: number;
  /** Which end a limit counts from. */
  readonly from?: 'first' | 'last';
}

/** Everything, by priority. */
export const WHOLE: Query = { index: '$priority' };

/** Whether it selects everything, in whatever order. */
export function isWhole({ start, end, limit }: Query): boolean {
  return !start && !end && !limit;
}

/** What `query` selects of `node`: at most `limit` children within the bounds, without the node's own priority. */
export function select(node: Node, query: Query): Node {
  if (isWhole(query)) return node;
  const { index, start, end, limit, from } = query;
  let entries = node.ordered(index);
  if (start || end) entries = entries.filter((entry) => within(entry, index, start, end));
  if (limit) entries = from === 'first' ? entries.slice(0, limit) : entries.slice(-limit);
  return Node.sorted(entries, index);
}

function within([key, node]: Entry, index: Index, start?: Bound, end?: Bound): boolean {
  const value = indexValue(index, node);
  const side = (bound: Bound) =>
    compareValues(value, bound.value) || (bound.key === undefined ? 0 : compareKeys(key, bound.key));
  return (!start || side(start) >= 0) && (!end || side(end) <= 0);
}

/**
 * The text by which the server knows a listener. Queries that select everything share one text whatever their order,
 * because the order is the client's business.
 */
export function listenText(path: Path, query: Query): string {
  const place = wirePath(path);
  return isWhole(query) ? place : `${place}?${queryText(query)}`;
}

/** The parameters of a query, always in the same order: equal texts are equal queries. */
export function queryText({ index, start, end, limit, from }: Query): string {
  const parts = [`orderBy=${quoted(index)}`];
  const [first, last] = [start && boundText(index, start), end && boundText(index, end)];
  if (first && first === last) parts.push(`equalTo=${first}`);
  else {
    if (first) parts.push(`startAt=${first}`);
    if (last) parts.push(`endAt=${last}`);
  }
  if (limit) parts.push(`limitTo${from === 'first' ? 'First' : 'Last'}=${limit}`);
  return parts.join('&');
}

function boundText(index: Index, { value, key }: Bound): string {
  if (index === '$key') return quoted(key ?? '');
  return key === undefined ? quoted(value) : `${quoted(value)},${quoted(key)}`;
}

/** JSON in which the characters that end or escape a parameter do not occur. */
function quoted(value: Primitive | null): string {
  return JSON.stringify(value).replace(/&/g, '\\u0026').replace(/%/g, '\\u0025');
}
