// Keys that are hard to order or to write.

import { equal } from '../support/check.js';
import { compareKeys } from '../support/model.js';
import { record } from '../support/recorder.js';

/** In ascending order. */
const ORDERED = [
  '-2147483648', '-5', '0', '-0', '1', '01', '001', '9', '10', '2147483647',
  ' ', '!', '"quoted"', '%41', '+', '-2147483649', '-x', '1.5'.replace('.', ','), '2147483648', ':', 'A', '\\', 'a',
  'a b', 'aa', 'z', 'ä', 'é', '日本', '😀', '\uffee',
];

export const keys = [
  {
    title: 'integer-like and unicode keys come in their order',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      equal([...ORDERED].sort(compareKeys), ORDERED, 'the model agrees');
      await writer.place('keys').set(Object.fromEntries([...ORDERED].reverse().map((key, n) => [key, n])));
      const log = record(reader.place('keys').query([['orderByKey']]));
      await reader.settled();
      equal(log.filter(([event]) => event === 'child_added').map(([, key]) => key), ORDERED, 'child_added');
      equal((await reader.place('keys').once()).order, ORDERED, 'forEach');
      for (const [place, key] of ORDERED.entries()) {
        const list = reader.place('keys');
        const first = await list.query([['orderByKey'], ['startAt', key], ['limitToFirst', 2]]).once();
        equal(first.order, ORDERED.slice(place, place + 2), `from ${key}`);
        const last = await list.query([['orderByKey'], ['endAt', key], ['limitToLast', 2]]).once();
        equal(last.order, ORDERED.slice(Math.max(0, place - 1), place + 1), `to ${key}`);
      }
    },
  },
  {
    title: 'the same through windows, which the server orders',
    needs: ['!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const log = record(reader.place('keys').query([['orderByKey'], ['limitToFirst', 1]]), ['child_added']);
      await reader.settled();
      for (const key of [...ORDERED].reverse()) await writer.place('keys').update({ [key]: key });
      await reader.settled();
      equal(log.map(([, key]) => key), [...ORDERED].reverse(), 'each smaller key takes the window');
    },
  },
  {
    title: 'odd keys can be written, listened to, and removed one by one',
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const long = 'ä'.repeat(300);
      for (const key of [...ORDERED, long]) {
        const log = record(reader.place('odd').child(key), ['value']);
        await reader.settled();
        await writer.place('odd').child(key).set({ key });
        await writer.place('odd').child(key).remove();
        await reader.settled();
        equal(log.map(([, , value]) => value), [null, { key }, null], key);
        log.off();
      }
    },
  },
];
