// Listens that lie over each other, come and go, while another client writes all the time: nothing lost, nothing
// doubled.

import { equal } from '../support/check.js';
import { record, values } from '../support/recorder.js';

export const listens = [
  {
    title: 'a listener below, one above, the upper goes: each hears every write once',
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      let count = 0;
      const write = () => writer.place('a').update({ b: { n: ++count }, other: count });
      await write();
      const lower = record(reader.place('a/b'), ['value']);
      await reader.settled();
      await write();
      const upper = record(reader.place('a'), ['value']);
      await Promise.all([reader.settled(), write(), write()]);
      upper.off();
      await Promise.all([write(), write()]);
      await reader.settled();
      const again = record(reader.place('a'), ['value']);
      await Promise.all([write(), reader.settled()]);
      again.off();
      const last = record(reader.place('a/b/n'), ['value']);
      await write();
      await reader.settled();
      const all = Array.from({ length: count }, (_, n) => n + 1);
      equal(values(lower).map(({ n }) => n), all, 'the lower heard all, once');
      equal(values(last).at(-1), count, 'the lowest ended right');
    },
  },
  {
    title: 'several queries and a listener of everything at one place, and the latter goes',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const list = writer.place('list');
      await list.set({ b: { n: 2 }, c: { n: 1 }, d: { n: 3 } });
      const first = record(reader.place('list').query([['orderByKey'], ['limitToFirst', 1]]));
      const last = record(reader.place('list').query([['orderByKey'], ['limitToLast', 1]]));
      const low = record(reader.place('list').query([['orderByChild', 'n'], ['endAt', 1]]));
      await reader.settled();
      const whole = record(reader.place('list'));
      await reader.settled();
      for (const log of [first, last, low, whole]) log.take();

      await list.child('a').set({ n: 0 });
      await reader.settled();
      const added = ['child_added', 'a', { n: 0 }, null];
      equal(first.take().slice(0, 2), [['child_removed', 'b', { n: 2 }, null], added], 'the first, under the whole');
      equal(last.take(), [], 'the last, under the whole');
      equal(low.take()[0], added, 'the low ones, under the whole');
      equal(whole.take()[0], added, 'the whole');

      whole.off();
      await list.child('e').set({ n: 9 });
      await reader.settled();
      equal(first.take(), [], 'the first, alone');
      const enters = [['child_removed', 'd', { n: 3 }, null], ['child_added', 'e', { n: 9 }, null]];
      equal(last.take().slice(0, 2), enters, 'the last, alone');
      equal(low.take(), [], 'the low ones, alone');
      equal(whole.take(), [], 'who has gone hears nothing');

      await list.update({ a: null, e: null });
      await reader.settled();
      const second = [['child_removed', 'a', { n: 0 }, null], ['child_added', 'b', { n: 2 }, null]];
      equal(first.take().slice(0, 2), second, 'the first');
      const leaves = [['child_removed', 'e', { n: 9 }, null], ['child_added', 'd', { n: 3 }, null]];
      equal(last.take().slice(0, 2), leaves, 'the last');
      equal(low.take()[0], ['child_removed', 'a', { n: 0 }, null], 'the low ones');
    },
  },
  {
    title: 'who listens no more is sent nothing more',
    needs: ['!before 1.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const logs = [
        record(reader.place('list')),
        record(reader.place('list').query([['limitToLast', 1]])),
        record(reader.place('other').query([['orderByPriority'], ['limitToLast', 1]])),
      ];
      await writer.place('').update({ list: { a: 1 }, other: { a: 1 } });
      await reader.settled();
      for (const log of logs) {
        log.off();
        log.take();
      }
      await reader.settled();
      const before = await reader.wire.pushes();
      await writer.place('').update({ list: { a: 2 }, other: { b: 2 } });
      await reader.settled();
      equal((await reader.wire.pushes()) - before, 0, 'pushes');
      equal(logs.map((log) => log.length), [0, 0, 0], 'events');
      equal((await reader.place('list').once()).value, { a: 2 }, 'a new listener finds the new data');
    },
  },
  {
    title: 'a window is sent as far as it reaches, and no further',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const text = 'x'.repeat(500);
      const list = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`k${1000 + n}`, { n, text }]));
      await world.write('list', list);
      await reader.settled();
      const before = await reader.wire.bytes();
      const log = record(reader.place('list').query([['limitToLast', 2]]), ['child_added']);
      await reader.settled();
      equal(log.map(([, key]) => key), ['k1198', 'k1199'], 'the last two');
      const bytes = (await reader.wire.bytes()) - before;
      equal(bytes < 10 * text.length, true, `the server sent ${bytes} bytes for two children of ${text.length}`);
      const pushes = await reader.wire.pushes();
      await writer.place('list/k1000/n').set('outside of the window');
      await reader.settled();
      equal((await reader.wire.pushes()) - pushes, 0, 'pushes for a write outside');
    },
  },
  {
    title: 'writes that go on while listeners come and go are neither lost nor doubled',
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const stored = Array.from({ length: 100 }, (_, n) => writer.place('list').push(n).stored);
      const logs = [];
      for (let n = 0; n < 10; n++) {
        logs.push(record(reader.place('list').query(n % 2 ? [['limitToLast', 1_000]] : []), ['child_added']));
        await reader.settled();
        if (n % 3 === 2) logs.shift().off();
      }
      await Promise.all(stored);
      await reader.settled();
      const all = Array.from({ length: 100 }, (_, n) => n);
      for (const log of logs) equal(log.map(([, , n]) => n), all, 'children');
    },
  },
];
