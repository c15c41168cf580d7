// Random sequences of writes and listens, and what the model makes of them. A sequence is plain data made from its seed
// alone, so that a failure can be run again, and made smaller by leaving steps out.
//
// Steps: { listen, path, query, by }, { unlisten }, { write, path, ... }. Keys made by push have the names of PUSHED in
// here.

import { at, exported, parse, put, View } from './model.js';

/** A generator of numbers from 0 to 1 (mulberry32). */
export function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The name of the n-th pushed key. It sorts among the others as a real one does. */
export const PUSHED = (n) => `-push-${String(n).padStart(3, '0')}`;
export const IS_PUSHED = /-push-\d{3}/g;

/** When the model's writes happen; all that is later is a timestamp. */
export const EPOCH_MS = 1_600_000_000_000;

const STEPS_MIN = 6;
const STEPS_MORE = 18;
const LISTENERS_MAX = 5;
const INTEGERS = ['1', '2', '10', '01', '-3', '-0', '2147483648'];
const KEYS = ['a', 'b', 'c', 'd', ...INTEGERS, ' ', '%41', '"', 'Z', 'ä', '😀', '\uffee'];
const LEAVES = [0, 1, 2, 2.5, 3, 10, -1, 1e-7, 123456.789, true, false, 'a', 'b', 'é', '', '😀', '"\\\n'];
/** Where listeners are; half of them at the list itself. */
const PLACES = ['list', 'list', 'list', 'list', '', 'other', 'list/KEY', 'list/KEY/n', 'list/KEY/deep'];
/** Sets and updates come more often than all else. */
const OFTEN = ['set', 'set', 'set', 'set', 'update', 'update', 'update'];
const WRITES = [...OFTEN, 'remove', 'push', 'priority', 'increment', 'stamp', 'transaction'];
const PRIORITIES = [null, null, null, 0, 1, 2, -1.5, 'a', 'b', ''];

const ORDERS = {
  key: ['orderByKey'],
  value: ['orderByValue'],
  child: ['orderByChild', 'n'],
  deep: ['orderByChild', 'deep/n'],
};

class Maker {
  #random;
  #pushed = 0;
  steps = [];
  #live = [];
  #listeners = 0;

  constructor(seed) {
    this.#random = dice(seed);
  }

  #below(count) {
    return Math.floor(this.#random() * count);
  }
  #chance(share) {
    return this.#random() < share;
  }
  #pick(list) {
    return list[this.#below(list.length)];
  }
  #key() {
    return this.#pushed && this.#chance(0.15) ? PUSHED(this.#below(this.#pushed)) : this.#pick(KEYS);
  }

  make() {
    this.#listen();
    for (let left = STEPS_MIN + this.#below(STEPS_MORE); left > 0; left--) {
      const roll = this.#random();
      if (roll < 0.12 && this.#live.length < LISTENERS_MAX) this.#listen();
      else if (roll < 0.18 && this.#live.length > 1) this.#unlisten();
      else this.#write();
    }
    return this.steps;
  }

  #listen() {
    const id = this.#listeners++;
    this.#live.push(id);
    const path = this.#pick(PLACES).replace('KEY', this.#key());
    const by = this.#chance(0.2) ? 'writer' : 'reader';
    this.steps.push({ listen: id, path, query: this.#chance(0.75) ? this.#query() : [], by });
  }

  #unlisten() {
    const [id] = this.#live.splice(this.#below(this.#live.length), 1);
    this.steps.push({ unlisten: id });
  }

  #query() {
    const index = this.#pick(['key', 'value', 'priority', 'priority', 'child', 'child', 'deep']);
    const query = index in ORDERS ? [ORDERS[index]] : [];
    const bound = () => {
      if (index === 'key') return [this.#pick(KEYS)];
      const value = index === 'priority' ? this.#pick(PRIORITIES) : this.#pick([null, ...LEAVES]);
      return this.#chance(0.25) ? [value, this.#pick(KEYS)] : [value];
    };
    if (this.#chance(0.15)) query.push(['equalTo', ...bound()]);
    else {
      if (this.#chance(0.35)) query.push([this.#chance(0.25) ? 'startAfter' : 'startAt', ...bound()]);
      if (this.#chance(0.35)) query.push([this.#chance(0.25) ? 'endBefore' : 'endAt', ...bound()]);
    }
    if (this.#chance(0.7)) query.push([this.#pick(['limitToFirst', 'limitToLast']), 1 + this.#below(4)]);
    return query;
  }

  #write() {
    const kind = this.#pick(WRITES);
    this.steps.push({ write: kind, ...this[`_${kind}`]() });
  }

  _set() {
    if (this.#chance(0.03)) return { path: '', value: { list: this.#list(), other: this.#value() } };
    const path = this.#path();
    return { path, value: path.endsWith('/n') ? this.#leaf() : path === 'list' ? this.#list() : this.#value() };
  }
  _update() {
    if (this.#chance(0.3)) return this.#updateOfChild();
    const root = this.#chance(0.2);
    const updates = {};
    for (let left = 1 + this.#below(4); left > 0; left--) {
      const key = this.#key();
      const value = this.#chance(0.3) ? null : this.#value();
      // No path may lie below another.
      const clean = Object.keys(updates).every((other) => other.split('/')[root ? 1 : 0] !== key);
      if (clean) updates[`${root ? 'list/' : ''}${key}${this.#chance(0.25) ? '/n' : ''}`] = value;
    }
    if (root && this.#chance(0.5)) updates.other = this.#value();
    return { path: root ? '' : 'list', updates };
  }
  #updateOfChild() {
    const updates = { n: this.#leaf(), name: this.#leaf(), 'deep/n': this.#leaf(), deep: this.#value() };
    delete updates[this.#pick(['deep', 'deep/n'])]; // no path may lie below another
    if (this.#chance(0.5)) delete updates[this.#pick(['n', 'name'])];
    return { path: `list/${this.#key()}`, updates };
  }
  _remove() {
    return { path: this.#path() };
  }
  _push() {
    return { path: 'list', value: this.#value() ?? 1, key: PUSHED(this.#pushed++) };
  }
  _priority() {
    return { path: this.#chance(0.15) ? 'list' : `list/${this.#key()}`, priority: this.#pick(PRIORITIES) };
  }
  _increment() {
    return { path: `list/${this.#key()}${this.#chance(0.5) ? '/n' : ''}`, by: this.#pick([1, 2, -1, 0.5]) };
  }
  _stamp() {
    return { path: `list/${this.#key()}/when`, once: this.steps.length };
  }
  _transaction() {
    const path = this.#chance(0.1) ? 'list' : `list/${this.#key()}${this.#chance(0.5) ? '/n' : ''}`;
    return { path, kind: this.#pick(Object.keys(TRANSACTIONS)) };
  }

  #path() {
    const roll = this.#random();
    if (roll < 0.06) return 'list';
    if (roll < 0.1) return 'other';
    return `list/${this.#key()}${roll < 0.35 ? '/n' : roll < 0.42 ? '/deep/n' : roll < 0.45 ? '/deep' : ''}`;
  }
  #leaf() {
    return this.#chance(0.1) ? null : this.#pick(LEAVES);
  }
  #value() {
    const priority = this.#pick(PRIORITIES);
    const own = priority === null ? {} : { '.priority': priority };
    const value = this.#pick(LEAVES);
    const roll = this.#random();
    if (roll < 0.3) return priority === null ? value : { '.value': value, ...own };
    const n = this.#pick(LEAVES);
    if (roll < 0.75) return { n, ...own };
    return { name: this.#pick(LEAVES), deep: { n }, ...(this.#chance(0.5) ? { n: value } : {}), ...own };
  }
  #list() {
    if (this.#chance(0.2)) return this.#chance(0.5) ? null : 'leaf';
    return Object.fromEntries(Array.from({ length: 1 + this.#below(6) }, () => [this.#key(), this.#value()]));
  }
}

/** The steps of a seed. */
export const makeSequence = (seed) => new Maker(seed).make();

/** What transactions make of a value as `val()` shows it. */
export const TRANSACTIONS = {
  count: (value) => (typeof value === 'number' ? value + 1 : 1),
  join: (value) => ({ ...(value !== null && typeof value === 'object' ? value : { was: value }), joined: true }),
  clear: () => null,
};

/** The value without priorities. */
export function plain(json) {
  if (json === null || typeof json !== 'object') return json;
  if ('.value' in json) return json['.value'];
  return Object.fromEntries(
    Object.entries(json).filter(([key]) => key !== '.priority').map(([key, inner]) => [key, plain(inner)]),
  );
}

/** The model's side of a sequence: the tree, and what each listener should hear. */
export class Expected {
  tree = null;
  listeners = new Map();
  #now = EPOCH_MS;

  /** Starts a listener; `heard` is filled by the writes from now on. */
  listen({ listen, path, query }) {
    const keys = split(path);
    const view = new View(query);
    this.listeners.set(listen, { keys, view, query, heard: [], sees: view.of(at(this.tree, keys)) });
  }

  unlisten(id) {
    this.listeners.delete(id);
  }

  /** Applies a write. Gives whether SDKs hear of success: the priority of nothing cannot be set (REST ignores it). */
  write(step) {
    const before = this.tree;
    this.tree = apply(this.tree, step, ++this.#now);
    for (const listener of this.listeners.values()) {
      const after = listener.view.of(at(this.tree, listener.keys));
      if (after === listener.sees) continue;
      listener.heard.push(...listener.view.events(listener.sees, after));
      listener.sees = after;
    }
    return !(step.write === 'priority' && at(before, split(step.path)) === null);
  }

  /** The export of what the listener sees now. */
  sees(id) {
    return exported(this.listeners.get(id).sees);
  }
}

const split = (path) => (path ? path.split('/') : []);

function apply(tree, step, now) {
  const keys = split(step.path);
  const old = at(tree, keys);
  const set = (json) => put(tree, keys, parse(json, old, now));
  switch (step.write) {
    case 'set':
      return set(step.value);
    case 'remove':
      return set(null);
    case 'push':
      return put(tree, [...keys, step.key], parse(step.value, null, now));
    case 'priority':
      return put(tree, [...keys, '.priority'], parse(step.priority));
    case 'increment':
      return set({ '.sv': { increment: step.by } });
    case 'stamp':
      return set({ at: { '.sv': 'timestamp' }, once: step.once });
    case 'transaction': {
      const made = parse(TRANSACTIONS[step.kind](plain(exported(old))));
      return put(tree, keys, made && { ...made, priority: old?.priority ?? null });
    }
    case 'update': {
      // In the order of the paths, which one sees where a node is empty in between: it loses its priority.
      const changes = Object.entries(step.updates).sort(([a], [b]) => (a < b ? -1 : 1));
      return changes.reduce((inner, [path, json]) => {
        const place = [...keys, ...split(path)];
        return put(inner, place, parse(json, at(tree, place), now));
      }, tree);
    }
  }
}

