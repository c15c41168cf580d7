// Nodes and JSON: plain JSON and the export format in, values for the application and the wire out.
//
// Source: Firebase realtime protocol 11.2, 11.6, 11.8.

import { Node } from './node.ts';
import type { Entry, Primitive, Priority } from './order.ts';

// biome-ignore lint/suspicious/noExplicitAny: data is whatever the application stores; every value is inspected.
export type Json = any;

/** How a server value becomes a guess of what the server will make of it. */
export interface Guess {
  /** Server clock in ms. */
  readonly now: number;
  /** What stands there before the write. */
  existing(): Node;
}

/** Reads plain JSON or export format. Server values become local guesses. */
export function fromJson(json: Json, guess?: Guess): Node {
  if (json === null || json === undefined) return Node.EMPTY;
  if (typeof json !== 'object') return Node.leaf(json);
  const priority = (fromJson(own(json, '.priority'), below(guess, '.priority')).value ?? null) as Priority;
  const value = own(json, '.value');
  if (value !== undefined && value !== null) return fromJson(value, guess).withPriority(priority);
  const serverValue = own(json, '.sv');
  if (serverValue !== undefined) return Node.leaf(settle(serverValue, guess), priority);
  const children = Object.keys(json)
    .filter((key) => key !== '.priority' && key !== '.value')
    .map((key): Entry => [key, fromJson(json[key], below(guess, key))]);
  return Node.inner(children, priority);
}

function own(json: Json, key: string): Json {
  return Object.hasOwn(json, key) ? json[key] : undefined;
}

/** What stands there is looked up only for an increment: it may take a while. */
function below(guess: Guess | undefined, key: string): Guess | undefined {
  return guess && { now: guess.now, existing: () => guess.existing().child(key) };
}

function settle(serverValue: Json, guess?: Guess): Primitive {
  const increment = serverValue?.increment;
  if (typeof increment !== 'number') return guess?.now ?? 0;
  const base = guess?.existing().value;
  return typeof base === 'number' ? base + increment : increment;
}

/** Everything, with priorities and without arrays: `exportVal()`, and what goes over the wire. */
export function exportJson(node: Node): Json {
  const { value, priority, children } = node;
  if (children.size === 0) return priority === null ? value : { '.value': value, '.priority': priority };
  const json = objectOf(node, exportJson);
  if (priority !== null) json['.priority'] = priority;
  return json;
}

/** What the application sees with `val()`: no priorities; an array where the keys look like one. */
export function toValue(node: Node): Json {
  if (node.children.size === 0) return node.value;
  return looksLikeArray([...node.children.keys()]) ? arrayOf(node) : objectOf(node, toValue);
}

function looksLikeArray(keys: readonly string[]): boolean {
  return keys.every((key) => /^(0|[1-9]\d*)$/.test(key) && Number(key) < 2 * keys.length);
}

function arrayOf(node: Node): Json {
  const array: Json[] = [];
  for (const [key, child] of node.children) array[Number(key)] = toValue(child);
  return array;
}

function objectOf(node: Node, convert: (child: Node) => Json): Json {
  const object: Json = {};
  for (const [key, child] of node.ordered('$priority')) setOwn(object, key, convert(child));
  return object;
}

/** Sets a property of its own even if it is called `__proto__`. */
export function setOwn(object: Json, key: string, value: Json): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}
