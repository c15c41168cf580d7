// Random rules, data and operations, made from a seed alone. Expressions are mostly well typed.
//
// What targaryen is known to get wrong is left out here: see README.md.

import { dice } from '../../node/support/sequence.js';

export const KEYS = ['a', 'b', 'c'];
const NUMBERS = [0, 1, 2, 3, -1, 2.5, 0.1, 1e21, 1e-7, 12345.678];
const STRINGS = ['', 'a', 'b', 'ab', 'abc', 'B', '1', '2.5', 'a/b', 'true', 'ß', 'É', '\uffee', 'a.b', '[x]'];
const PAIRS = ['😀', 'a😀'];
/** Keys, and paths that are none, lie in strings, too. */
const PATHS = ['a', 'b', 'c', 'a/b', 'b/c/a', '/a', 'a/', 'd', 'a.b', '$a', '', 'b/a'];
const AUTHS = [
  null,
  { uid: 'a' },
  { uid: 'b', n: 1, s: 'ab', t: true, o: { a: true, b: 'b' } },
  { uid: 'c', n: 2.5, s: '', t: false, token: { email: 'a@b.c', admin: true } },
];
const CHARACTERS = [
  ...['a', 'b', 'A', '1', '.', '-', ' ', 'é', ',', '}', 'x'],
  ...['\\d', '\\w', '\\s', '\\D', '\\W', '\\S', '\\.', '\\/', '\\['],
];
const MEMBERS = ['a', 'b', '1', 'a-c', '0-9', 'A-Z', '\\d', '\\w', '\\]', '.', '*'];
const QUESTIONS = ['exists', 'hasChildren', 'isString', 'isNumber', 'isBoolean'];
const REPEATS = ['*', '+', '?', '{2}', '{1,}', '{0,2}', '{1,3}', '{0}'];
const STEPS = 25;
/** How often a part of an expression is of some type, whether it fits or not. */
const NOISE = 0.001;
const DEPTH = 3;
const CLAIMS = ['uid', 'uid', 'n', 's', 't', 'o.a', "o['b']", 'token.email', 'none', 'none.more', "['s']"];
const EQUALITIES = ['==', '===', '!=', '!=='];
const ORDERS = ['<', '<=', '>', '>='];

export class Maker {
  #random;
  /** Whether strings have characters of two UTF-16 units; then nothing is matched with patterns: see README.md. */
  #hasPairs;

  constructor(seed) {
    this.#random = dice(seed);
    this.#hasPairs = this.chance(0.3);
  }

  below(count) {
    return Math.floor(this.#random() * count);
  }

  chance(share) {
    return this.#random() < share;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  word(least = 0) {
    return this.pick([...STRINGS.slice(least), ...(this.#hasPairs ? PAIRS : [])]);
  }

  /** One of several ways to make something. */
  way(...ways) {
    return this.pick(ways)();
  }

  /** Rules, the data that they stand over, and what is asked one after the other. */
  sequence() {
    const rules = this.tree(0, []);
    const data = this.value(0);
    const steps = Array.from({ length: STEPS }, () => this.step());
    return { rules, data, steps };
  }

  /** The rules of a place and below; `names` are the wildcards above. */
  tree(depth, names) {
    const rules = {};
    if (this.chance(depth ? 0.5 : 0.25)) rules['.read'] = this.rule({ names, depth, reads: true });
    if (this.chance(depth ? 0.55 : 0.3)) rules['.write'] = this.rule({ names, depth, writes: true });
    if (this.chance(0.2)) rules['.validate'] = this.rule({ names, depth, writes: true, validates: true });
    if (depth === DEPTH) return rules;
    for (const key of KEYS) if (this.chance(0.5)) rules[key] = this.tree(depth + 1, names);
    const name = `$${'xyz'[depth]}`;
    if (this.chance(0.5)) rules[name] = this.tree(depth + 1, [...names, name]);
    return rules;
  }

  rule(scope) {
    if (this.chance(0.2)) return this.chance(scope.validates ? 0.8 : 0.6);
    return this.boolean(scope, 3);
  }

  /** An expression of that type; now and then of another, which is a fault that both must find. */
  of(type, scope, left) {
    if (this.chance(NOISE)) type = this.pick(['boolean', 'number', 'string', 'primitive', 'snapshot']);
    return this[type](scope, left);
  }

  boolean(scope, left) {
    const simple = [
      () => this.equality(scope, left),
      () => this.equality(scope, left),
      () => this.order(scope, left),
      () => `${this.of('snapshot', scope, left)}.${this.pick(QUESTIONS)}()`,
      () => `${this.of('snapshot', scope, left)}.hasChild(${this.of('path', scope, left - 1)})`,
      () => `${this.of('snapshot', scope, left)}.hasChildren([${this.paths(scope, left)}])`,
      () => `${this.text(scope, left)}.${this.pick(['contains', 'beginsWith'])}(${this.of('string', scope, left - 1)})`,
      () => `auth ${this.pick(EQUALITIES)} null`,
      () => this.pick(['true', 'false', 'now > 1000', 'now === now']),
    ];
    if (!this.#hasPairs) simple.push(() => `${this.text(scope, left)}.matches(${this.regex()})`);
    if (scope.reads) simple.push(() => this.query(scope, left));
    if (left <= 0 || this.chance(0.35)) return this.pick(simple)();
    const part = (type) => this.of(type, scope, left - 1);
    return this.way(
      () => `${part('boolean')} && ${part('boolean')}`,
      () => `${part('boolean')} || ${part('boolean')}`,
      () => `(${part('boolean')})`,
      () => `!(${part('boolean')})`,
      () => this.choice('boolean', scope, left),
      () => [`(${part('boolean')})`, this.pick(EQUALITIES), part('primitive')].join(' '),
    );
  }

  choice(type, scope, left) {
    const [condition, one, other] = ['boolean', type, type].map((part) => this.of(part, scope, left - 1));
    return `(${condition} ? ${one} : ${other})`;
  }

  equality(scope, left) {
    const side = () => this.of(this.pick(['primitive', 'primitive', 'string', 'number', 'any']), scope, left - 1);
    return `${side()} ${this.pick(EQUALITIES)} ${this.chance(0.15) ? 'null' : side()}`;
  }

  order(scope, left) {
    // One side is never null: see README.md.
    const known = () => (type === 'number' ? this.literal() : this.pick([...scope.names, quoted(this.word())]));
    const type = this.pick(['number', 'number', 'string']);
    const sides = [known(), this.of(this.chance(0.5) ? type : 'fuzzy', scope, left - 1)];
    if (this.chance(0.5)) sides.reverse();
    return sides.join(` ${this.pick(ORDERS)} `);
  }

  /** What rules ask of a query. */
  query() {
    const bound = () => (this.chance(0.3) ? 'null' : this.pick(['1', "'a'", 'true', 'auth.uid', 'auth.n']));
    return this.way(
      () => `query.${this.pick(['orderByKey', 'orderByValue', 'orderByPriority'])}`,
      () => `query.orderByChild ${this.pick(EQUALITIES)} ${this.pick(["'a'", "'b/c'", 'null', 'auth.uid'])}`,
      () => `query.${this.pick(['startAt', 'endAt', 'equalTo'])} ${this.pick(EQUALITIES)} ${bound()}`,
      () => `query.${this.pick(['limitToFirst', 'limitToLast'])} ${this.pick(ORDERS)} ${this.pick(['1', '2'])}`,
    );
  }

  number(scope, left) {
    if (left <= 0 || this.chance(0.4)) return this.literal();
    const part = (type) => this.of(type, scope, left - 1);
    return this.way(
      () => `${part('number')} ${this.pick(['+', '-', '*', '/', '%'])} ${part('number')}`,
      () => `(${part('number')} ${this.pick(['-', '*', '%'])} ${part('fuzzy')})`,
      () => `-${this.chance(0.5) ? this.literal() : `(${this.of('number', scope, left - 1)})`}`,
      () => `${this.text(scope, left)}.length`,
      () => this.choice('number', scope, left),
    );
  }

  literal() {
    return this.pick(['0', '1', '2', '3', '2.5', '.5', '1e3', '0.1', '10', '1e-7', '1E21']);
  }

  string(scope, left) {
    const names = scope.names.map((name) => () => name);
    if (left <= 0 || this.chance(0.4)) return this.way(() => quoted(this.word()), ...names);
    return this.way(
      () => `${this.of('string', scope, left - 1)} + ${this.of('string', scope, left - 1)}`,
      () => `(${this.of('string', scope, left - 1)} + ${this.of(this.pick(['number', 'fuzzy']), scope, left - 1)})`,
      () => `(${this.of('fuzzy', scope, left - 1)} + ${this.of('string', scope, left - 1)})`,
      () => `${this.text(scope, left)}.${this.pick(['toLowerCase', 'toUpperCase'])}()`,
      () => `${this.text(scope, left)}.replace(${quoted(this.word(1))}, ${this.of('string', scope, left - 1)})`,
      ...names,
    );
  }

  /** Something that may be a text, to be asked as one. */
  text(scope, left) {
    return this.way(
      () => `(${this.of('string', scope, left - 1)})`,
      () => `${this.of('snapshot', scope, left - 1)}.val()`,
      () => `${this.of('snapshot', scope, left - 1)}.val()`,
      () => this.any(scope),
    );
  }

  primitive(scope, left) {
    const fuzzy = () => this.of('fuzzy', scope, left);
    const constant = () => this.pick([this.literal(), quoted(this.word()), 'true', 'false', 'null']);
    return this.way(fuzzy, fuzzy, constant);
  }

  /** Whose type is known when it is evaluated. */
  fuzzy(scope, left) {
    const value = () => `${this.of('snapshot', scope, left - 1)}.val()`;
    const addend = () => this.of(this.pick(['fuzzy', 'fuzzy', 'string', 'number']), scope, left - 1);
    const sum = () => `(${this.of('fuzzy', scope, left - 1)} + ${addend()})`;
    const priority = () => `${this.of('snapshot', scope, left - 1)}.getPriority()`;
    return this.way(value, value, value, priority, () => this.any(scope), left > 0 ? sum : value);
  }

  any(scope) {
    const member = this.pick(CLAIMS);
    const name = scope?.names.length && this.chance(0.1) ? `auth[${this.pick(scope.names)}]` : null;
    return name ?? (member[0] === '[' ? `auth${member}` : `auth.${member}`);
  }

  snapshot(scope, left) {
    const roots = ['data', 'data', 'root', ...(scope.writes ? ['newData', 'newData', 'newData'] : [])];
    if (left <= 0 || this.chance(0.45)) return this.pick(roots);
    return this.way(
      () => `${this.of('snapshot', scope, left - 1)}.child(${this.of('path', scope, left - 1)})`,
      () => `${this.of('snapshot', scope, left - 1)}.child(${this.of('path', scope, left - 1)})`,
      () => `${this.pick(roots)}.parent()`,
    );
  }

  path(scope, left) {
    return this.chance(0.7) ? quoted(this.pick(PATHS)) : this.of(this.pick(['string', 'fuzzy']), scope, left);
  }

  paths(scope, left) {
    const path = () => (this.chance(0.7) ? quoted(this.pick(PATHS)) : this.of('string', scope, left - 1));
    return Array.from({ length: 1 + this.below(2) }, path).join(', ');
  }

  regex() {
    const [start, end] = [this.chance(0.6) ? '^' : '', this.chance(0.6) ? '$' : ''];
    // With both anchors and alternatives: see README.md.
    return `/${start}${start || end ? this.series(2) : this.union(2)}${end}/${this.chance(0.2) ? 'i' : ''}`;
  }

  union(left) {
    return Array.from({ length: this.chance(0.3) ? 2 : 1 }, () => this.series(left)).join('|');
  }

  series(left) {
    const item = () => this.atom(left) + (this.chance(0.4) ? this.pick(REPEATS) : '');
    return Array.from({ length: 1 + this.below(3) }, item).join('');
  }

  atom(left) {
    if (left > 0 && this.chance(0.25)) return `(${this.union(left - 1)})`;
    if (this.chance(0.25)) {
      const members = Array.from({ length: 1 + this.below(3) }, () => this.pick(MEMBERS)).join('');
      return `[${this.chance(0.3) ? '^' : ''}${members}]`;
    }
    return this.pick(CHARACTERS);
  }

  /** A value, seldom null. */
  value(depth) {
    if (depth < DEPTH && this.chance(depth ? 0.5 : 0.9)) {
      const keys = KEYS.filter(() => this.chance(0.6));
      return Object.fromEntries(keys.map((key) => [key, this.value(depth + 1)]));
    }
    if (depth === 0) return null;
    const leaf = this.way(
      () => this.pick(NUMBERS),
      () => this.word(),
      () => this.chance(0.5),
    );
    return this.chance(0.1) ? { '.value': leaf, '.priority': this.pick([1, 2.5, 'a', 'p']) } : leaf;
  }

  place(least = 0) {
    const length = Math.max(least, Math.min(this.below(4), this.below(5)));
    return Array.from({ length }, () => this.pick([...KEYS, ...KEYS, 'd'])).join('/');
  }

  step() {
    const step = { auth: this.pick(AUTHS), path: this.place() };
    if (this.chance(0.4)) return { ...step, read: this.chance(0.3) ? this.asked() : {} };
    if (this.chance(0.3)) return { ...step, update: this.updates() };
    const depth = step.path.split('/').length;
    return { ...step, write: this.chance(0.15) ? null : this.value(Math.min(depth, DEPTH)) };
  }

  /** A query that REST takes. */
  asked() {
    const by = this.pick(['orderByKey', 'orderByValue', 'orderByPriority', 'orderByChild']);
    const query = { [by]: by === 'orderByChild' ? this.pick(['a', 'b/c']) : true };
    const values = { orderByKey: KEYS, orderByPriority: [1, 2.5, 'a', 'b'] }[by] ?? [1, 2.5, 'a', 'b', true];
    const bound = () => this.pick(values);
    if (this.chance(0.3)) query.equalTo = bound();
    else {
      if (this.chance(0.4)) query.startAt = bound();
      // Equal bounds are `equalTo` to the server.
      const end = bound();
      if (this.chance(0.4) && end !== query.startAt) query.endAt = end;
    }
    // All by priority is no query to the server.
    const needsLimit = by === 'orderByPriority' && Object.keys(query).length === 1;
    if (needsLimit || this.chance(0.5)) query[this.pick(['limitToFirst', 'limitToLast'])] = 1 + this.below(3);
    return query;
  }

  /** Several places, none below another. */
  updates() {
    const places = Array.from({ length: 1 + this.below(3) }, () => this.place(1));
    const touch = (one, other) => `${one}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${one}/`);
    const apart = places.filter((place, n) => !places.slice(0, n).some((other) => touch(place, other)));
    return Object.fromEntries(apart.map((place) => [place, this.chance(0.2) ? null : this.value(DEPTH - 1)]));
  }
}

const quoted = (text) => `'${text.replace(/[\\']/g, '\\$&')}'`;
