// Going away and coming back: what the SDK says of its connection, pending writes, listens that are taken up again.

import { until } from '../../../browser/support/wait.js';
import { equal, ok } from '../support/check.js';
import { breaks, record, values } from '../support/recorder.js';

/** Says goodbye, and comes back. */
async function leaves(client, connected) {
  client.goOffline();
  await until('offline', () => values(connected).at(-1) === false);
  client.goOnline();
  await until('the client to be back', () => values(connected).at(-1) === true);
}

/** Listeners of several kinds on `list`, and of a place below. */
const LISTENERS = [
  [], [['orderByKey'], ['limitToLast', 2]], [['orderByChild', 'n'], ['startAt', 2], ['limitToFirst', 2]],
];
const listenAll = (client, path) => LISTENERS.map((steps) => record(client.place(path).query(steps)));

export const connection = [
  {
    title: '.info/connected and .info/serverTimeOffset tell the truth',
    needs: ['!throws when cut'],
    async run(world) {
      const client = await world.connect();
      const connected = record(client.info('connected'), ['value']);
      await client.place('x').set(1);
      await until('the connection', () => values(connected).includes(true));
      const offset = (await client.info('serverTimeOffset').once()).value;
      ok(typeof offset === 'number' && Math.abs(offset) < 60_000, `the clocks are close: ${offset}`);
      await leaves(client, connected);
      await breaks(client, connected);
      equal(values(connected).slice(-5), [true, false, true, false, true], 'what was said');
      await client.place('x').set(2);
      equal(await world.read('x'), 2, 'and it works');
    },
  },
  {
    title: 'writes made while offline arrive in order when it is back',
    needs: ['!throws when cut', '!before 1.0'],
    async run(world) {
      const [client, watcher] = [await world.connect(), await world.connect()];
      const connected = record(client.info('connected'), ['value']);
      await client.place('list').set({ a: 1 });
      const seen = record(watcher.place('list'), ['value']);
      await watcher.settled();
      const local = record(client.place('list'), ['value']);
      await client.settled();
      await client.wire.block();
      await until('offline', () => values(connected).at(-1) === false);
      const list = client.place('list');
      const pending = [
        list.child('b').set(2),
        list.update({ a: null, c: 3 }),
        list.child('c').setPriority(9),
        list.push('pushed').stored,
        list.child('b').set('last'),
      ];
      const expected = await until('the local events', () => values(local).length === 6 && values(local).at(-1));
      await world.write('list/other', 'from elsewhere');
      await client.wire.unblock();
      await Promise.all(pending);
      await Promise.all([client.settled(), watcher.settled()]);
      const all = { ...expected, other: 'from elsewhere' };
      equal((await watcher.place('list').once()).export, all, 'stored');
      equal(values(local).at(-1), all, 'what the client ended with');
      equal(values(seen).at(-1), all, 'what the watcher ended with');
      equal(values(seen).length, 7, 'each write was told once');
    },
  },
  {
    title: 'listens taken up again with unchanged data: nothing is sent, nothing is told',
    needs: ['!throws when cut', '!before 2.0'],
    async run(world) {
      const client = await world.connect();
      const child = (n) => [`k${n}`, { n, '.priority': n % 3 ? n : `p${n}` }];
      const list = Object.fromEntries(Array.from({ length: 50 }, (_, n) => child(n)));
      await world.write('list', list);
      await world.write('big', 9007199254740991);
      const connected = record(client.info('connected'), ['value']);
      const logs = [...listenAll(client, 'list'), record(client.place('big')), record(client.place('list/k7/n'))];
      const windows = listenAll(client, 'windows-only').slice(1);
      await world.write('windows-only', { x: { n: 1 }, y: { n: 2, more: ['a', 'b'] }, z: { n: 3, '.priority': 0 } });
      const empty = record(client.place('empty'));
      await client.settled();
      for (const log of [...logs, ...windows, empty]) ok(log.take().length > 0, 'each listener has heard something');
      for (const goAway of [breaks, leaves]) {
        const before = await client.wire.pushes();
        await goAway(client, connected);
        await client.settled();
        equal((await client.wire.pushes()) - before, 0, 'data pushes after coming back');
        for (const log of [...logs, ...windows, empty]) equal(log.take(), [], 'events after coming back');
      }
    },
  },
  {
    title: 'what changed while away is told once',
    needs: ['!throws when cut', '!before 2.0'],
    async run(world) {
      const client = await world.connect();
      await world.write('list', { a: { n: 1 }, b: { n: 2 }, c: { n: 3 } });
      const connected = record(client.info('connected'), ['value']);
      const window = record(client.place('list').query([['orderByChild', 'n'], ['limitToLast', 2]]));
      const whole = record(client.place('one'));
      await client.settled();
      for (const log of [window, whole]) log.take();
      await client.wire.block();
      await until('offline', () => values(connected).at(-1) === false);
      await world.write('one', 1);
      await world.write('one', 2);
      await world.write('list/d', { n: 4 });
      await world.write('list/c', null);
      await client.wire.unblock();
      await until('the connection', () => values(connected).at(-1) === true);
      await client.settled();
      equal(whole.take(), [['value', null, 2, []]], 'one event of the value');
      equal(window.take(), [
        ['child_removed', 'c', { n: 3 }, null],
        ['child_added', 'd', { n: 4 }, 'b'],
        ['value', null, { b: { n: 2 }, d: { n: 4 } }, ['b', 'd']],
      ], 'one step of the window');
    },
  },
];
