// Every kind of query against the model: what enters and leaves the window at both ends, what moves and changes inside.

import { equal } from '../support/check.js';
import { exported, parse, put, View } from '../support/model.js';
import { record } from '../support/recorder.js';

/** Children that stand in the same order by key, priority, `n` and `deep/n`; leaves for the order by value. */
const child = (n, name = n) => ({ n, deep: { n }, name, ...(typeof n === 'boolean' ? {} : { '.priority': n }) });
const key = (n) => `k${String(n).padStart(2, '0')}`;

const INDEXES = {
  key: { order: [['orderByKey']], make: child, bound: (n) => [key(n)], keyed: false },
  priority: { order: [], make: child, bound: (n) => [n], keyed: true },
  'priority, named': { order: [['orderByPriority']], make: child, bound: (n) => [n], keyed: true },
  'a child': { order: [['orderByChild', 'n']], make: child, bound: (n) => [n], keyed: true },
  'a deep child': { order: [['orderByChild', 'deep/n']], make: child, bound: (n) => [n], keyed: true },
  value: { order: [['orderByValue']], make: (n) => n, bound: (n) => [n], keyed: true },
};

/** All forms of a window, from the order and its bounds. `after` says whether the SDK has startAfter and endBefore. */
function windows({ order, bound, keyed }, after) {
  const forms = [
    [['limitToFirst', 2]],
    [['limitToLast', 2]],
    [['limitToFirst', 100]],
    [['startAt', ...bound(20)]],
    [['endAt', ...bound(40)]],
    [['startAt', ...bound(20)], ['endAt', ...bound(40)]],
    [['equalTo', ...bound(40)]],
    [['startAt', ...bound(20)], ['limitToFirst', 2]],
    [['startAt', ...bound(20)], ['limitToLast', 2]],
    [['endAt', ...bound(40)], ['limitToFirst', 2]],
    [['endAt', ...bound(40)], ['limitToLast', 2]],
    [['startAt', ...bound(15)], ['endAt', ...bound(45)], ['limitToLast', 3]],
    [['startAt', ...bound(99)], ['limitToLast', 1]],
  ];
  if (keyed) {
    forms.push(
      [['startAt', 40, 'k40b']],
      [['endAt', 40, 'k40']],
      [['startAt', 40, 'k40b'], ['limitToFirst', 2]],
      [['endAt', 40, 'k40'], ['limitToLast', 2]],
      [['equalTo', 40, 'k40']],
      [['equalTo', null]],
      [['startAt', 'a'], ['endAt', 'm']],
    );
  }
  if (after) {
    forms.push(
      [['startAfter', ...bound(20)]],
      [['endBefore', ...bound(40)]],
      [['startAfter', ...bound(20)], ['limitToFirst', 2]],
      [['endBefore', ...bound(40)], ['limitToLast', 2]],
      [['startAfter', ...bound(20)], ['endBefore', ...bound(40)]],
    );
    if (keyed) forms.push([['startAfter', 40, 'k40']], [['endBefore', 40, 'k40b'], ['limitToLast', 2]]);
  }
  return forms.map((form) => [...order, ...form]);
}

/** `[what happens, updates: path to value]`; `make` gives a child of the index. */
const happenings = (make) => [
  ['one enters at the left end', { [key(5)]: make(5) }],
  ['one enters at the right end', { [key(55)]: make(55) }],
  ['one enters in the middle', { [key(25)]: make(25) }],
  ['one changes inside', { [key(20)]: make(20, 'changed') }],
  ['one changes deep inside', { [`${key(30)}/name`]: 'deeper' }],
  ['one leaves at the left end', { [key(5)]: null }],
  ['one leaves at the right end', { [key(55)]: null }],
  ['one equal to another enters', { k40b: make(40) }],
  ['equal ones before and behind', { k40: make(40, 'again'), k40c: make(40), k39z: make(40) }],
  ['the first goes to the end', { [key(10)]: make(60) }],
  ['the last comes to the front', { [key(50)]: make(1) }],
  ['it moves inside', { [key(20)]: make(35) }],
  ['two leave, two enter', { [key(30)]: null, [key(40)]: null, [key(12)]: make(12), [key(42)]: make(42) }],
  ['a bound is crossed by a change', { [key(42)]: make(18), [key(12)]: make(41) }],
  ['one without a value, and strings', { none: { x: 1 }, str: make('b'), str2: make('z') }],
  ['booleans, zero, and a negative number', { yes: make(true), no: make(false), zero: make(0), minus: make(-7.5) }],
  ['an inner node as value', { inner: { n: { x: 1 }, deep: true, '.priority': 40 } }],
  ['a leaf among nodes', { [key(22)]: 'leaf' }],
  ['the whole list is replaced', { '': { [key(20)]: make(20, 'new'), [key(33)]: make(33), [key(70)]: make(70) } }],
  ['the list goes', { '': null }],
  ['the list is a leaf', { '': 'leaf' }],
  ['the list is there again', { '': Object.fromEntries([10, 20, 30, 40].map((n) => [key(n), make(n)])) }],
  ['all windows overflow', Object.fromEntries([21, 22, 23, 31, 32, 38, 39].map((n) => [key(n), make(n)]))],
  ['and shrink again', Object.fromEntries([21, 22, 23, 31, 32, 38, 39].map((n) => [key(n), null]))],
];

/** Runs all happenings, and compares after each what every listener has heard with what the model tells. */
async function against(world, { make }, listeners, write) {
  const start = Object.fromEntries([10, 20, 30, 40, 50].map((n) => [key(n), make(n)]));
  await world.write('list', start);
  let tree = parse(start);
  const heard = listeners.map(([client, steps]) => {
    const view = new View(steps);
    return { client, view, steps, log: record(client.place('list').query(steps)) };
  });
  const check = async (what) => {
    for (const client of new Set(listeners.map(([one]) => one))) await client.settled();
    for (const listener of heard) {
      const after = listener.view.of(tree);
      const expected = listener.view.events(listener.before, after);
      equal(listener.log.take(), expected, `${what}, ${JSON.stringify(listener.steps)}`);
      listener.before = after;
    }
  };
  await check('at the start');
  for (const [what, changes] of happenings(make)) {
    await write(changes);
    for (const [path, json] of Object.entries(changes)) tree = put(tree, path ? path.split('/') : [], parse(json));
    equal(await world.read('list'), withoutPriorities(exported(tree)), `${what}: what is stored`);
    await check(what);
  }
}

/** As REST reads without `format=export`. */
function withoutPriorities(json) {
  if (json === null || typeof json !== 'object') return json;
  if ('.value' in json) return json['.value'];
  const children = Object.entries(json).filter(([name]) => name !== '.priority');
  return Object.fromEntries(children.map(([name, inner]) => [name, withoutPriorities(inner)]));
}

const update = (place) => (changes) => ('' in changes ? place.set(changes['']) : place.update(changes));

export const queries = [
  ...Object.entries(INDEXES).map(([title, index]) => ({
    title: `windows ordered by ${title}: enter, leave, move and change at both ends`,
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const forms = windows(index, world.sdk.features.has('startAfter'));
      await against(world, index, forms.map((steps) => [reader, steps]), update(writer.place('list')));
    },
  })),
  {
    title: 'windows under a listener of the whole list',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const index = INDEXES['a child'];
      const forms = windows(index, world.sdk.features.has('startAfter'));
      // From a whole list the SDKs themselves make extra changes of a limited window that several changes cross.
      const unlimited = forms.filter((form) => !/limit/.test(JSON.stringify(form)));
      const all = [[], [['orderByChild', 'n']], [['orderByKey']], ...unlimited];
      await against(world, index, all.map((steps) => [reader, steps]), update(writer.place('list')));
    },
  },
  {
    title: 'orders without a bound show everything, each in its order',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const index = INDEXES['a child'];
      const orders = [[['orderByKey']], [['orderByChild', 'deep/n']], [['orderByPriority']]];
      await against(world, index, orders.map((steps) => [reader, steps]), update(writer.place('list')));
    },
  },
];
