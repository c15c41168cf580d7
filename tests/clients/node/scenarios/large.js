// Values around and far above the size at which messages are cut, both ways, with characters of every length.

import { equal, ok } from '../support/check.js';
import { record } from '../support/recorder.js';

const SEGMENT = 16_384;

/** Compared by parts, so that a failure stays readable. */
function same(actual, expected, what) {
  equal(actual?.length, expected.length, `${what}: length`);
  if (actual === expected) return;
  const at = [...expected].findIndex((_, n) => actual[n] !== expected[n]);
  equal(actual.slice(at, at + 20), expected.slice(at, at + 20), `${what}: at ${at}`);
}

export const large = [
  {
    title: 'every length around a segment arrives whole, both ways',
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const log = record(reader.place('text'), ['child_added']);
      await reader.settled();
      const lengths = Array.from({ length: 40 }, (_, n) => SEGMENT - 120 + n * 5);
      const texts = [...lengths, 2 * SEGMENT - 60, 2 * SEGMENT, 50_000].map((length) => 'x'.repeat(length));
      await Promise.all(texts.map((text, n) => writer.place(`text/${1000 + n}`).set(text)));
      await reader.settled();
      texts.forEach((text, n) => same(log[n]?.[2], text, `text ${n}`));
      equal(log.length, texts.length, 'texts');
    },
  },
  {
    title: 'large texts with surrogate pairs come from the server whole',
    async run(world) {
      const reader = await world.connect();
      for (const shift of ['', 'x', 'xy']) {
        const text = shift + '😀é日'.repeat(40_000);
        await world.write('emoji', text);
        same((await reader.place('emoji').once()).value, text, `shifted by ${shift.length}`);
      }
    },
  },
  {
    title: 'a large text without surrogate pairs goes to the server whole',
    async run(world) {
      const client = await world.connect();
      const text = 'aé日"\\\n'.repeat(world.sdk.features.has('long polling') ? 5_000 : 100_000);
      await client.place('text').set(text);
      same(await world.read('text'), text, 'stored');
    },
  },
  {
    title: 'a text of 8 MB goes there and back',
    needs: ['!long polling', '!before 1.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const text = '0123456789abcdef'.repeat(512 * 1024);
      const log = record(reader.place('text'), ['value']);
      await reader.settled();
      await writer.place('text').set(text);
      await reader.settled();
      same(log.at(-1)[2], text, 'as the reader heard it');
      equal(log.length, 2, 'events');
    },
  },
  {
    title: 'a list of 20,000 children, one of which changes',
    async run(world) {
      const reader = await world.connect();
      const list = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`k${100_000 + n}`, { n }]));
      await world.write('list', list);
      const log = record(reader.place('list'), ['child_changed', 'value']);
      await reader.settled();
      equal(Object.keys(log.at(-1)[2]).length, 20_000, 'children');
      log.take();
      const before = await reader.wire.bytes();
      await world.write('list/k110000/n', 'changed');
      await reader.settled();
      equal(log[0].slice(0, 3), ['child_changed', 'k110000', { n: 'changed' }], 'one change');
      const bytes = (await reader.wire.bytes()) - before;
      ok(bytes < 5_000, `only what changed is sent: ${bytes} bytes`);
    },
  },
];
