// Transactions: alone, against others, on every kind of value.

import { equal, ok } from '../support/check.js';
import { record, values } from '../support/recorder.js';

const CLIENTS = 20;

/** Values on which the hashes of client and server must agree; the last ones are those JavaScript gets wrong. */
const VALUES = [
  'hello', '', true, false, 0, 1, -1, 0.5, 0.1, 1e300, 5e-324, 'héllo 😀', 'a"b\\c\n',
  { a: 1, b: 2 },
  { 10: 'j', 9: 'i', 1: 'a', a: 'z', '-5': 'n' },
  { 1: 1, '01': 2, '001': 3 },
  { x: { y: { z: true } }, w: 'q' },
  {
    a: { '.value': 1, '.priority': 'z' }, b: { '.value': 2, '.priority': 1 },
    c: 3, d: { '.value': 4, '.priority': 'a' },
  },
  { '.value': true, '.priority': 0 },
  { '.value': 'x', '.priority': '' },
  { '2147483647': 1, '2147483648': 2, '-2147483648': 3, '-2147483649': 4 },
  { '\ufffd': 1, '😀': 2, z: 3 },
  9007199254740991, -9007199254740991, 2 ** 48 - 1, 7.999999999999999, -(2 ** -29), 2 ** -31, 2 ** -900,
  { deep: [1, 2, { n: 9007199254740991 }] },
];

export const transactions = [
  {
    title: 'a counter counts, alone and on what others wrote',
    async run(world) {
      const [client, other] = [await world.connect(), await world.connect()];
      const count = (value) => (value || 0) + 1;
      equal(await client.place('n').transaction(count), { committed: true, value: 1, export: 1 }, 'on nothing');
      equal((await client.place('n').transaction(count)).value, 2, 'again');
      await other.place('n').set(10);
      equal((await client.place('n').transaction(count)).value, 11, 'on the write of another');
      equal(await world.read('n'), 11, 'stored');
    },
  },
  {
    title: `${CLIENTS} clients contend for one counter, and none is lost`,
    needs: ['!few connections'],
    async run(world) {
      const clients = await Promise.all(Array.from({ length: CLIENTS }, () => world.connect()));
      for (const round of [1, 2]) {
        const all = clients.map((client) => client.place('n').transaction((n) => (n || 0) + 1));
        const results = await Promise.all(all);
        ok(results.every(({ committed }) => committed), `all of round ${round} are committed`);
        equal(await world.read('n'), round * CLIENTS, `after round ${round}`);
      }
    },
  },
  {
    title: 'on every kind of value and priority the second attempt succeeds',
    needs: ['!before 1.0'],
    async run(world) {
      const client = await world.connect();
      await Promise.all(VALUES.map((value, n) => world.write(`v/${n}`, value)));
      await Promise.all(
        VALUES.map(async (stored, n) => {
          let attempts = 0;
          // It returns what it gets: with the data unknown the first attempt is made on null and finds it stale.
          const { committed } = await client.place(`v/${n}`).transaction((value) => {
            attempts++;
            return value === null ? { nothing: true } : 'done';
          });
          equal([committed, attempts], [true, 2], `a transaction on ${JSON.stringify(stored)}: committed, attempts`);
        }),
      );
      const after = await world.read('v');
      ok(Object.values(after).every((value) => value === 'done'), `all are done: ${JSON.stringify(after)}`);
    },
  },
  {
    title: 'a function that returns nothing ends it without a write',
    async run(world) {
      const client = await world.connect();
      await world.write('a', { taken: 'by me' });
      const result = await client.place('a').transaction((value) => (value === null ? value : undefined));
      equal(result, { committed: false, value: { taken: 'by me' }, export: { taken: 'by me' } }, 'the result');
      equal(await world.read('a'), { taken: 'by me' }, 'stored');
    },
  },
  {
    title: 'removal, priorities and server values within',
    needs: ['!before 1.0'],
    async run(world) {
      const [client, reader] = [await world.connect(), await world.connect()];
      const read = async (path) => (await reader.place(path).once()).export;
      await world.write('p', { '.value': 1, '.priority': 'keep' });
      await client.place('p').transaction((value) => (value || 0) + 1);
      equal(await read('p'), { '.value': 2, '.priority': 'keep' }, 'the priority stays');
      await client.place('p').transaction(() => ({ '.value': 'x', '.priority': 7 }));
      equal(await read('p'), { '.value': 'x', '.priority': 7 }, 'it can be set');
      equal((await client.place('p').transaction(() => null)).committed, true, 'a removal');
      equal(await read('p'), null, 'removed');
      const stamped = await client.place('t').transaction(() => ({ at: client.timestamp }));
      ok(stamped.committed, 'with a timestamp');
      ok(Math.abs((await read('t')).at - Date.now()) < 60_000, 'it is the time of the server');
    },
  },
  {
    title: 'a listener hears committed states only, if not applied locally',
    async run(world) {
      const [client, other] = [await world.connect(), await world.connect()];
      await world.write('n', 10);
      const log = record(client.place('n'), ['value']);
      const others = record(other.place('n'), ['value']);
      await Promise.all([client.settled(), other.settled()]);
      await client.place('n').transaction((n) => (n || 0) + 1, false);
      await client.settled();
      await other.settled();
      equal(values(log), [10, 11], 'the writer');
      equal(values(others), [10, 11], 'another');
    },
  },
  {
    title: 'on a whole room against writes of others',
    async run(world) {
      const [client, other] = [await world.connect(), await world.connect()];
      await world.write('room', { members: { a: true } });
      const join = (name) => (room) => (room ? { ...room, members: { ...room.members, [name]: true } } : null);
      const joining = ['b', 'c', 'd', 'e'].map((name) => client.place('room').transaction(join(name)));
      const talking = Array.from({ length: 10 }, (_, n) => other.place(`room/said/${n}`).set(n));
      await Promise.all([...joining, ...talking]);
      const { members, said } = await world.read('room');
      equal(Object.keys(members).sort(), ['a', 'b', 'c', 'd', 'e'], 'members');
      equal(Object.values(said), Array.from({ length: 10 }, (_, n) => n), 'what was said');
    },
  },
];
