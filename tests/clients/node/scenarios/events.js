// The five events, in their order, with the key of the child before.

import { equal } from '../support/check.js';
import { record } from '../support/recorder.js';

/** `[what another client does, the events of it]`, on a list ordered by priority: a(1) b(2) c(3). */
const STEPS = [
  ['a child between two others', (list) => list.child('bb').setWithPriority('new', 2), [
    ['child_added', 'bb', { '.value': 'new', '.priority': 2 }, 'b'],
  ]],
  ['a change that keeps its place', (list) => list.child('b').setWithPriority('changed', 2), [
    ['child_changed', 'b', { '.value': 'changed', '.priority': 2 }, 'a'],
  ]],
  ['a move to the front', (list) => list.child('c').setPriority(0), [
    ['child_moved', 'c', { '.value': 'c', '.priority': 0 }, null],
    ['child_changed', 'c', { '.value': 'c', '.priority': 0 }, null],
  ]],
  ['a move to the end, by a string', (list) => list.child('a').setPriority('last'), [
    ['child_moved', 'a', { '.value': 'a', '.priority': 'last' }, 'bb'],
    ['child_changed', 'a', { '.value': 'a', '.priority': 'last' }, 'bb'],
  ]],
  ['a removal', (list) => list.child('bb').remove(), [
    ['child_removed', 'bb', { '.value': 'new', '.priority': 2 }, null],
  ]],
  ['many at once', (list) => list.update({ a: null, c: 'moved', d: 'added', 'b/x': 1 }), [
    ['child_removed', 'a', { '.value': 'a', '.priority': 'last' }, null],
    ['child_added', 'd', 'added', 'c'],
    ['child_moved', 'c', 'moved', null],
    ['child_changed', 'c', 'moved', null],
    ['child_changed', 'b', { x: 1, '.priority': 2 }, 'd'],
  ]],
  ['a leaf instead of all children', (list) => list.set('leaf'), [
    ['child_removed', 'c', 'moved', null],
    ['child_removed', 'd', 'added', null],
    ['child_removed', 'b', { x: 1, '.priority': 2 }, null],
  ]],
  ['children instead of the leaf', (list) => list.set({ y: 1, x: 2 }), [
    ['child_added', 'x', 2, null],
    ['child_added', 'y', 1, 'x'],
  ]],
];

export const events = [
  {
    title: 'all five events in order with the previous child',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const list = writer.place('list');
      const leaf = (value, priority) => ({ '.value': value, '.priority': priority });
      const start = { c: leaf('c', 3), a: leaf('a', 1), b: leaf('b', 2) };
      await list.set(start);
      const log = record(reader.place('list'));
      await reader.settled();
      equal(log.take(), [
        ['child_added', 'a', start.a, null],
        ['child_added', 'b', start.b, 'a'],
        ['child_added', 'c', start.c, 'b'],
        ['value', null, start, ['a', 'b', 'c']],
      ], 'the beginning');
      for (const [what, act, expected] of STEPS) {
        await act(list);
        await reader.settled();
        const heard = log.take();
        equal(heard.slice(0, -1), expected, what);
        equal(heard.slice(-1).map(([event]) => event), ['value'], `${what}: the value comes last`);
      }
    },
  },
  {
    title: 'the writer hears the same events as others',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const logs = [writer, reader].map((client) => record(client.place('list')));
      await Promise.all([writer.settled(), reader.settled()]);
      for (const log of logs) log.take();
      const list = writer.place('list');
      await list.set({ a: 1, b: { x: 1 }, c: 3 });
      await list.child('b/x').set(2);
      await list.child('aa').setWithPriority('p', -1);
      await list.update({ a: null, 'b/y': true, d: 4 });
      await list.child('d').setPriority(-2);
      await list.remove();
      await Promise.all([writer.settled(), reader.settled()]);
      const [own, others] = logs.map((log) => log.take());
      equal(own, others, 'what the writer heard, and the reader');
      const removed = own.filter(([event]) => event === 'child_removed').map(([, key]) => key);
      equal(removed, ['a', 'b', 'c', 'd', 'aa'], 'removals');
    },
  },
  {
    title: 'an empty place is one value event, null, and no child events',
    async run(world) {
      const client = await world.connect();
      const log = record(client.place('nothing/here'));
      const window = record(client.place('nothing/else').query([['limitToLast', 3]]));
      await client.settled();
      equal(log.take(), [['value', null, null, []]], 'a place');
      equal(window.take(), [['value', null, null, []]], 'a window');
    },
  },
  {
    title: 'once gives one event of each kind',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      await writer.place('o').set({ a: 1, b: 2 });
      equal((await reader.place('o').once('value')).value, { a: 1, b: 2 }, 'value');
      // Of one child: with several, SDK 12 calls the last one's callback first.
      const one = reader.place('o').query([['limitToFirst', 1]]);
      equal((await one.once('child_added')).key, 'a', 'child_added');
      const waiting = ['child_changed', 'child_removed', 'child_moved'].map((event) => reader.place('o').once(event));
      await reader.settled();
      await writer.place('o').update({ a: { '.value': 5, '.priority': 1 }, b: null });
      equal((await Promise.all(waiting)).map(({ key }) => key), ['a', 'b', 'a'], 'keys');
    },
  },
];
