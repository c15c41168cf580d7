// The data model and the events of the Realtime Database, as plainly as they can be written: what the SDKs and the
// server are compared with. A node is null, a leaf `{ value, priority }` or an inner node
// `{ children: Map, priority }`; nodes are never changed. Nothing here is fast or incremental on purpose: a view is
// computed anew from the whole tree each time.

const INTEGER = /^(-?)0*(\d{1,10})$/;

/** The 32-bit integer that a key stands for, or null. */
function integerOf(key) {
  const match = INTEGER.exec(key);
  if (!match) return null;
  const value = Number(match[1] + match[2]);
  return value >= -2147483648 && value <= 2147483647 ? value : null;
}

const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0); // JavaScript compares strings by UTF-16 code units

/** Integer keys first, by value and then by length; all others by UTF-16 code units. */
export function compareKeys(a, b) {
  if (a === b) return 0;
  const [left, right] = [integerOf(a), integerOf(b)];
  if (left !== null && right !== null) return left - right || a.length - b.length;
  if (left !== null) return -1;
  if (right !== null) return 1;
  return order(a, b);
}

const RANK = { boolean: 1, number: 2, string: 3 };

/** null < false < true < numbers < strings < inner nodes, which are all equal. */
export function compareValues(a, b) {
  const rank = (node) => (node === null ? 0 : node.children ? 4 : RANK[typeof node.value]);
  return rank(a) - rank(b) || (a === null || a.children ? 0 : order(a.value, b.value));
}

const leaf = (value, priority = null) => (value === null || value === undefined ? null : { value, priority });
const priorityOf = (node) => leaf(node?.priority ?? null);

/** The child at `path` (an array of keys). */
export function at(node, path) {
  return path.reduce((inner, key) => inner?.children?.get(key) ?? null, node);
}

/** `node` with what is at `path` replaced. */
export function put(node, path, value) {
  if (path.length === 0) return value;
  const [key, ...rest] = path;
  if (key === '.priority') return node && { ...node, priority: value?.value ?? null };
  const before = node?.children?.get(key) ?? null;
  const after = put(before, rest, value);
  if (after === before) return node;
  const children = new Map(node?.children);
  if (after === null) children.delete(key);
  else children.set(key, after);
  return children.size === 0 ? null : { children, priority: node?.priority ?? null };
}

/** The node that this JSON means where `existing` is now: `.value`, `.priority`, arrays, nulls and server values. */
export function parse(json, existing = null, now = 0) {
  if (json === null || json === undefined) return null;
  if (typeof json !== 'object') return leaf(json);
  if ('.sv' in json) return leaf(serverValue(json['.sv'], existing, now));
  const priority = json['.priority'] ?? null;
  if ((json['.value'] ?? null) !== null) return leaf(parse(json['.value'], existing, now).value, priority);
  const children = new Map();
  for (const [key, inner] of Object.entries(json)) {
    if (key.startsWith('.')) continue;
    const child = parse(inner, existing?.children?.get(key) ?? null, now);
    if (child) children.set(key, child);
  }
  return children.size === 0 ? null : { children, priority };
}

function serverValue(which, existing, now) {
  if (which === 'timestamp') return now;
  const base = typeof existing?.value === 'number' ? existing.value : 0;
  return base + which.increment;
}

/** The export form: objects, `.value` and `.priority` where there are priorities. */
export function exported(node) {
  if (node === null) return null;
  if (!node.children) return node.priority === null ? node.value : { '.value': node.value, '.priority': node.priority };
  const json = Object.fromEntries([...node.children].map(([key, child]) => [key, exported(child)]));
  if (node.priority !== null) json['.priority'] = node.priority;
  return json;
}

/** Whether two nodes are the same, priorities included. */
export function same(a, b) {
  if (a === b) return true;
  if (!a || !b || a.priority !== b.priority || !a.children !== !b.children) return false;
  if (!a.children) return a.value === b.value;
  if (a.children.size !== b.children.size) return false;
  return [...a.children].every(([key, child]) => same(child, b.children.get(key)));
}

/** A query as the model sees it, from the steps of the SDKs: `[['orderByChild', 'n'], ['limitToLast', 3]]`. */
export class View {
  #index = '.priority';
  #from = null;
  #to = null;
  #limit = null;

  constructor(steps = []) {
    for (const [step, ...args] of steps) STEPS[step](this.#set, ...args);
  }

  #set = (part, value) => {
    if (part === 'index') this.#index = value;
    if (part === 'from') this.#from = value;
    if (part === 'to') this.#to = value;
    if (part === 'limit') this.#limit = { ...value, last: value.last ?? !this.#from };
  };

  /** What a listener of this query sees of `node`: the node itself, or of its children only those in the window. */
  of(node) {
    if (!this.#from && !this.#to && !this.#limit) return node;
    const kept = this.#window(node);
    return kept.length === 0 ? null : { children: new Map(kept), priority: null };
  }

  /** The children of what `of` gave, in the order of the query: `[key, node]` pairs. */
  ordered(node) {
    return [...(node?.children ?? [])].sort(this.#compare);
  }

  /**
   * The events of the step from `before` to `after` (both from `of`): `[event, key, export, previous key]`, as SDKs
   * order them; the value comes last, with the keys in order. Without a `before` these are the first events.
   */
  events(before, after) {
    if (before !== undefined && same(before, after)) return [];
    const [old, now] = [before?.children ?? new Map(), after?.children ?? new Map()];
    const [left, right] = [this.ordered(before), this.ordered(after)];
    const previous = new Map(right.map(([key], place) => [key, right[place - 1]?.[0] ?? null]));
    const tell = (event, children) =>
      children.map(([key, child]) => [event, key, exported(child), previous.get(key) ?? null]);
    const changed = right.filter(([key, child]) => old.has(key) && !same(old.get(key), child));
    return [
      ...left.filter(([key]) => !now.has(key)).map(([key, child]) => ['child_removed', key, exported(child), null]),
      ...tell('child_added', right.filter(([key]) => !old.has(key))),
      ...tell('child_moved', changed.filter(([key, child]) => this.#moves(old.get(key), child))),
      ...tell('child_changed', changed),
      ['value', null, exported(after), right.map(([key]) => key)],
    ];
  }

  #window(node) {
    const kept = this.ordered(node).filter((child) => {
      const from = this.#from ? this.#against(child, this.#from) : 1;
      const to = this.#to ? this.#against(child, this.#to) : -1;
      return (from > 0 || (from === 0 && !this.#from.strict)) && (to < 0 || (to === 0 && !this.#to.strict));
    });
    if (!this.#limit) return kept;
    return this.#limit.last ? kept.slice(-this.#limit.count) : kept.slice(0, this.#limit.count);
  }

  /** Where a child stands against a bound. A bound without a key stands for all children of its value. */
  #against([key, node], bound) {
    if (this.#index === '.key') return compareKeys(key, bound.value);
    const order = compareValues(this.#indexed(node), leaf(bound.value));
    return order || (bound.key === null ? 0 : compareKeys(key, bound.key));
  }

  #indexed(node) {
    if (this.#index === '.key') return null;
    if (this.#index === '.value') return node;
    return this.#index === '.priority' ? priorityOf(node) : at(node, this.#index);
  }

  #compare = ([keyA, a], [keyB, b]) =>
    compareValues(this.#indexed(a), this.#indexed(b)) || compareKeys(keyA, keyB);

  /** By value, any change of a child counts as a move, also one that leaves it where it is. */
  #moves(old, now) {
    if (this.#index === '.value') return true;
    return compareValues(this.#indexed(old), this.#indexed(now)) !== 0;
  }
}

const bound = (strict) => (value = null, key = null) => ({ value, key, strict });
const STEPS = {
  orderByKey: (set) => set('index', '.key'),
  orderByValue: (set) => set('index', '.value'),
  orderByPriority: (set) => set('index', '.priority'),
  orderByChild: (set, path) => set('index', path.split('/')),
  startAt: (set, ...args) => set('from', bound(false)(...args)),
  startAfter: (set, ...args) => set('from', bound(true)(...args)),
  endAt: (set, ...args) => set('to', bound(false)(...args)),
  endBefore: (set, ...args) => set('to', bound(true)(...args)),
  equalTo: (set, ...args) => {
    set('from', bound(false)(...args));
    set('to', bound(false)(...args));
  },
  limitToFirst: (set, count) => set('limit', { count, last: false }),
  limitToLast: (set, count) => set('limit', { count, last: true }),
  limit: (set, count) => set('limit', { count }),
};
