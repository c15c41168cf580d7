// What an application may pass in. Errors are thrown at the call, in the words of the Firebase SDK.
//
// Source: Firebase realtime protocol 11.1; messages as in the 2.4.2 SDK.

import { type Json, setOwn } from './json.ts';
import { INFO, type Path, parsePath, pathText } from './path.ts';
import type { EventType } from './view.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const BAD_PATH = /[[\].#$\u0000-\u001f\u007f]/;
const KEY_RULE = `must be non-empty strings and can't contain ".", "#", "$", "/", "[", or "]"`;
const PATH_RULE = `Paths must be non-empty strings and can't contain ".", "#", "$", "[", or "]"`;
const EVENTS: readonly EventType[] = ['value', 'child_added', 'child_removed', 'child_changed', 'child_moved'];
const DEPTH_MAX = 32;
const PATH_BYTES_MAX = 768;
const STRING_BYTES_MAX = 10 * 1024 * 1024;

/** `Firebase.set failed: First argument `, the beginning of most messages. */
export function argument(method: string, position: number): string {
  return `${method} failed: ${['First', 'Second', 'Third', 'Fourth'][position - 1]} argument `;
}

export function isKey(key: unknown): key is string {
  return typeof key === 'string' && key !== '' && !BAD_PATH.test(key) && !key.includes('/');
}

/** Whether a path may begin so; `.info` may stand in front where the path starts at the root. */
export function isPath(text: string, atRoot: boolean): boolean {
  return !BAD_PATH.test(atRoot ? text.replace(/^\/*\.info(\/|$)/, '/') : text);
}

/** A path from the application. */
export function checkPath(method: string, text: unknown, atRoot = false): Path {
  if (typeof text !== 'string' || text === '' || !isPath(text, atRoot)) {
    throw new Error(`${argument(method, 1)}was an invalid path: "${text}". ${PATH_RULE}`);
  }
  return parsePath(text);
}

export function checkBoundKey(method: string, key: unknown): void {
  if (key !== undefined && !isKey(key)) {
    throw new Error(`${argument(method, 2)}was an invalid key: "${key}".  Firebase keys ${KEY_RULE}).`);
  }
}

export function checkWritable(method: string, path: Path): void {
  if (path[0] === INFO) throw new Error(`${method} failed: Can't modify data under /.info/`);
}

export function checkEvent(method: string, event: unknown): asserts event is EventType {
  if (EVENTS.includes(event as EventType)) return;
  throw new Error(`${argument(method, 1)}must be a valid event type: "${EVENTS.join('", "')}".`);
}

export function checkFunction(method: string, position: number, value: unknown, optional = true): void {
  // `null` is taken as absent: old pages pass it.
  if (typeof value === 'function' || (optional && (value === undefined || value === null))) return;
  throw new Error(`${argument(method, position)}must be a valid function.`);
}

export function checkPriority(method: string, position: number, priority: unknown): void {
  if (!isPriority(priority)) throw new Error(argument(method, position) + PRIORITY_RULE);
}

/** The end of a message. */
export const PRIORITY_RULE = 'must be a valid Firebase priority (a string, finite number, server value, or null).';

function isPriority(value: unknown): boolean {
  if (value === null || typeof value === 'string') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value === 'object' && Object.hasOwn(value, '.sv');
}

/**
 * Data from the application for `path`, checked and copied: own enumerable properties only, so that what is sent cannot
 * change later and is what was checked. `prefix` begins the messages.
 */
export function cleanData(prefix: string, data: unknown, path: Path): Json {
  checkDepth(prefix, path);
  const where = path.length === 0 ? '' : `in property '${path.join('.')}'`;
  if (data === undefined) throw new Error(`${prefix}contains undefined ${where}`);
  if (typeof data === 'number' && !Number.isFinite(data)) throw new Error(`${prefix}contains ${data} ${where}`);
  if (['function', 'bigint', 'symbol'].includes(typeof data)) {
    throw new Error(`${prefix}contains a ${typeof data} ${where}`);
  }
  if (typeof data === 'string' && data.length > STRING_BYTES_MAX / 3 && bytesOf(data) > STRING_BYTES_MAX) {
    throw new Error(`${prefix}contains a string greater than ${STRING_BYTES_MAX} utf8 bytes ${where}`);
  }
  return typeof data === 'object' && data !== null ? cleanObject(prefix, data, path, where) : data;
}

function cleanObject(prefix: string, data: object, path: Path, where: string): Json {
  const copy: Json = Array.isArray(data) ? [] : {};
  const keys = Object.keys(data).filter((key) => key !== '.priority' && key !== '.sv');
  const bad = keys.find((key) => key !== '.value' && !isKey(key));
  if (bad !== undefined) throw new Error(`${prefix} contains an invalid key (${bad}) ${where}.  Keys ${KEY_RULE}`);
  if (keys.includes('.value') && keys.length > 1) {
    throw new Error(`${prefix} contains ".value" child ${where} in addition to actual children.`);
  }
  for (const [key, child] of Object.entries(data)) {
    setOwn(copy, key, key === '.sv' ? structuredClone(child) : cleanData(prefix, child, [...path, key]));
  }
  return copy;
}

/** The values of an update below `path`, by relative path. */
export function cleanUpdate(method: string, data: unknown, path: Path): Map<string, Json> {
  const prefix = argument(method, 1);
  if (typeof data !== 'object' || data === null) {
    throw new Error(`${prefix} must be an object containing the children to replace.`);
  }
  const places = new Map<string, Json>();
  for (const [name, value] of Object.entries(data)) {
    const place = parsePath(name);
    const text = pathText(place);
    const isOfPriority = place.at(-1) === '.priority';
    const bad = place.slice(0, isOfPriority ? -1 : undefined).find((key) => !isKey(key));
    if (bad !== undefined)
      throw new Error(`${prefix}contains an invalid key (${bad}) in path ${text}. Keys ${KEY_RULE}`);
    if (isOfPriority && !isPriority(value)) {
      throw new Error(`${prefix}contains an invalid value for '${text}', which ${PRIORITY_RULE}`);
    }
    places.set(text.slice(1), cleanData(prefix, value, [...path, ...place]));
  }
  for (const name of places.keys()) {
    const above = parsePath(name).map((_, i, place) => place.slice(0, i).join('/'));
    const other = above.find((ancestor) => places.has(ancestor));
    if (other !== undefined)
      throw new Error(`${prefix}contains a path /${other} that is ancestor of another path /${name}`);
  }
  return places;
}

function checkDepth(prefix: string, path: Path): void {
  const depth = path.at(-1)?.startsWith('.') ? path.length - 1 : path.length;
  if (depth > DEPTH_MAX) {
    const rule = `path specified exceeds the maximum depth that can be written (${DEPTH_MAX}) or object contains a cycle`;
    throw new Error(`${prefix}${rule} in property '${path.join('.')}'`);
  }
  const text = path.join('/');
  const bytes = text.length > PATH_BYTES_MAX / 3 ? bytesOf(text) : 0;
  if (bytes > PATH_BYTES_MAX)
    throw new Error(`${prefix}has a key path longer than ${PATH_BYTES_MAX} bytes (${bytes}).`);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
