// set, update, push, remove, priorities, server values: what is stored, and what the writer and others hear of it.

import { equal, ok } from '../support/check.js';
import { record, values } from '../support/recorder.js';

const CLOCKS_APART_MS = 60_000;

export const writes = [
  {
    title: 'set, update and remove are stored, and seen by others',
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const log = record(reader.place('room'), ['value']);
      await reader.settled();
      await writer.place('room').set({ name: 'one', open: true, size: 2.5, list: { 0: 'a', 1: 'b' } });
      await writer.place('room').update({ name: 'two', size: null, deep: { er: 'x' } });
      await writer.place('room/open').remove();
      await writer.place('room').set(null);
      await reader.settled();
      equal(values(log), [
        null,
        { name: 'one', open: true, size: 2.5, list: { 0: 'a', 1: 'b' } },
        { name: 'two', open: true, list: { 0: 'a', 1: 'b' }, deep: { er: 'x' } },
        { name: 'two', list: { 0: 'a', 1: 'b' }, deep: { er: 'x' } },
        null,
      ], 'what the reader saw');
      equal(await world.read('room'), null, 'over REST');
    },
  },
  {
    title: 'a listener that writes hears its own writes once each, in order',
    async run(world) {
      const client = await world.connect();
      const log = record(client.place('n'), ['value']);
      await Promise.all([1, 2, 3].map((n) => client.place('n').set(n)));
      await client.place('n').set(4);
      await client.settled();
      equal(values(log).filter((value) => value !== null), [1, 2, 3, 4], 'values');
      equal(await world.read('n'), 4, 'over REST');
    },
  },
  {
    title: 'an update of several paths is one event for everybody',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      await writer.place('').set({ a: { b: 0, keep: 1 }, c: { d: 0 } });
      const logs = [writer, reader].map((client) => record(client.place(''), ['value']));
      const window = record(reader.place('a').query([['orderByKey'], ['limitToFirst', 2]]), ['value']);
      await Promise.all([writer.settled(), reader.settled()]);
      for (const log of [...logs, window]) log.take();
      await writer.place('').update({ 'a/b': 1, 'a/aa': 2, 'c/d': 3, e: null });
      await reader.settled();
      const after = { a: { aa: 2, b: 1, keep: 1 }, c: { d: 3 } };
      for (const log of logs) equal(values(log), [after], 'one value event');
      equal(values(window), [{ aa: 2, b: 1 }], 'one event of the window');
    },
  },
  {
    title: 'arrays, nulls in arrays, empty objects, deep keys and priorities in one update',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      await writer.place('u').set({ e: 1, c: 2 });
      const f = { '.value': 'x', '.priority': 'p' };
      await writer.place('u').update({ 'a/b': [1, null, 3], c: { d: {} }, '.priority': 5, e: null, f });
      const { export: seen } = await reader.place('u').once();
      const expected = { a: { b: { 0: 1, 2: 3 } }, f: { '.value': 'x', '.priority': 'p' }, '.priority': 5 };
      equal(seen, expected, 'the export of another client');
      await writer.place('list').set(['a', 'b', null, 'd']);
      equal((await reader.place('list').once()).value, ['a', 'b', null, 'd'], 'an array comes back as one');
      await writer.place('list').set({ 2: 'x' });
      equal((await reader.place('list').once()).value, { 2: 'x' }, 'a sparse one comes back as an object');
    },
  },
  {
    title: 'push makes keys in order',
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const log = record(reader.place('log'), ['child_added']);
      await reader.settled();
      const pushed = Array.from({ length: 50 }, (_, n) => writer.place('log').push({ n }));
      await Promise.all(pushed.map(({ stored }) => stored));
      await reader.settled();
      equal(log.map(([, key]) => key), pushed.map(({ key }) => key), 'keys as the reader heard them');
      equal(log.map(([, , { n }]) => n), pushed.map((_, n) => n), 'values in order');
      ok(pushed.every(({ key }) => /^[-0-9A-Z_a-z]{20}$/.test(key)), 'push ids have 20 characters');
    },
  },
  {
    title: 'priorities are kept, replaced and removed',
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const read = async (path) => (await reader.place(path).once()).export;
      await writer.place('p').setWithPriority({ n: 9 }, 7);
      equal(await read('p'), { n: 9, '.priority': 7 }, 'setWithPriority');
      await writer.place('p').setPriority('x');
      equal(await read('p'), { n: 9, '.priority': 'x' }, 'setPriority');
      await writer.place('p').update({ m: 1 });
      equal(await read('p'), { n: 9, m: 1, '.priority': 'x' }, 'update keeps it');
      await writer.place('p').set({ n: 1 });
      equal(await read('p'), { n: 1 }, 'set replaces it');
      await writer.place('l').setWithPriority('leaf', 1.5);
      await writer.place('l/child').set(true);
      equal(await read('l'), { child: true, '.priority': 1.5 }, 'a leaf that becomes a node keeps it');
      await writer.place('l/child').remove();
      equal(await read('l'), null, 'it goes with the last child');
      await writer.place('z').setWithPriority(true, 0);
      equal(await read('z'), { '.value': true, '.priority': 0 }, 'zero is a priority');
    },
  },
  {
    title: 'the priority of nothing cannot be set',
    async run(world) {
      const client = await world.connect();
      const refused = await client.place('nothing').setPriority(1).then(() => null, (error) => error);
      ok(refused, 'the promise is rejected');
      equal(await world.read('nothing'), null, 'stored');
    },
  },
  {
    title: 'the timestamp is that of the server, for the writer too',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const mine = record(writer.place('t'), ['value']);
      const theirs = record(reader.place('t'), ['value']);
      await Promise.all([writer.settled(), reader.settled()]);
      theirs.take();
      await writer.place('t').set({ at: writer.timestamp, again: writer.timestamp });
      await writer.place('t').setPriority(writer.timestamp);
      await reader.settled();
      const stored = await world.read('t');
      ok(Math.abs(stored.at - Date.now()) < CLOCKS_APART_MS, `a time: ${stored.at}`);
      equal(stored.again, stored.at, 'one time for the whole write');
      equal(values(theirs)[0], stored, 'what the reader saw');
      const [last] = values(mine).slice(-1);
      equal([last.at, last.again], [stored.at, stored.again], 'what the writer ended with');
      equal(last['.priority'] >= stored.at, true, 'the priority is a time too');
      equal(values(theirs).slice(-1)[0], last, 'both see the same priority');
    },
  },
  {
    title: 'increments of two clients add up',
    needs: ['increment'],
    async run(world) {
      const [a, b] = [await world.connect(), await world.connect()];
      const logs = [a, b].map((client) => record(client.place('n'), ['value']));
      await Promise.all([a.settled(), b.settled()]);
      const clients = Array.from({ length: 20 }, (_, n) => (n % 2 ? a : b));
      await Promise.all(clients.map((client) => client.place('n').set(client.increment(2.5))));
      await a.place('').update({ n: a.increment(-1), other: a.increment(7) });
      await Promise.all([a.settled(), b.settled()]);
      equal(await world.read(), { n: 49, other: 7 }, 'stored');
      for (const log of logs) equal(values(log).slice(-1), [49], 'where each listener ended');
    },
  },
  {
    title: 'what REST writes, listeners hear, and REST reads what they write',
    async run(world) {
      const client = await world.connect();
      const log = record(client.place('r'), ['value']);
      await client.settled();
      await world.write('r', { '.value': 'over REST', '.priority': 3 });
      await client.settled();
      equal(values(log), [null, { '.value': 'over REST', '.priority': 3 }], 'events');
    },
  },
  {
    title: 'get reads the newest, also behind an own write that is under way',
    needs: ['get'],
    async run(world) {
      const [client, other] = [await world.connect(), await world.connect()];
      await other.place('g').set({ a: 1, b: 2, c: 3 });
      equal((await client.place('g').get()).value, { a: 1, b: 2, c: 3 }, 'get');
      const writing = client.place('g/d').set(4);
      equal((await client.place('g').get()).value, { a: 1, b: 2, c: 3, d: 4 }, 'get behind a set');
      await writing;
      const last = await client.place('g').query([['orderByKey'], ['limitToLast', 2]]).get();
      equal(last.value, { c: 3, d: 4 }, 'get of a query');
      equal((await client.place('nothing').get()).value, null, 'get of nothing');
      const none = await client.place('g').query([['orderByKey'], ['startAt', 'e']]).get();
      equal(none.value, null, 'get of an empty window');
    },
  },
];
