// What only the first generation has: limit(), bounds by priority and name, a database named by the first label of the
// host.

import { until } from '../../../browser/support/wait.js';
import { equal } from '../support/check.js';
import { exported, parse, put, View } from '../support/model.js';
import { breaks, record, values } from '../support/recorder.js';

const LIST = {
  a: { '.value': 1, '.priority': 10 }, b: { '.value': 2, '.priority': 20 }, c: { '.value': 3, '.priority': 20 },
  d: { '.value': 4, '.priority': 'x' }, e: 5, f: 6,
};

const FORMS = [
  [['limit', 2]],
  [['startAt'], ['limit', 3]],
  [['endAt'], ['limit', 3]],
  [['startAt', 20], ['limit', 1]],
  [['startAt', 20, 'c']],
  [['endAt', 20, 'b']],
  [['startAt', null, 'f'], ['endAt', null, 'f']],
  [['startAt', 10], ['endAt', 20, 'b']],
  [['startAt', 'a']],
  [['orderByChild', 'n'], ['startAt', 2], ['limitToFirst', 1]],
];

/** What all of the first generation understand alike: to 2.4.2 `endAt()` means up to null, to older ones nothing. */
const isAlike = ([[step, ...args]]) => step !== 'orderByChild' && (step !== 'endAt' || args.length > 0);
const ALIKE = [[], ...FORMS.filter(isAlike)];

export const legacy = [
  {
    title: 'limit, startAt and endAt of the first generation',
    needs: ['legacy', '!before 2.0'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      await writer.place('list').set(LIST);
      const logs = FORMS.map((steps) => record(reader.place('list').query(steps)));
      await reader.settled();
      const expect = (tree, what, before) => {
        FORMS.forEach((steps, n) => {
          const view = new View(steps);
          const wanted = view.events(before && view.of(before), view.of(tree));
          equal(logs[n].take(), wanted, `${what}, ${JSON.stringify(steps)}`);
        });
        return tree;
      };
      let tree = expect(parse(LIST), 'at the start');
      await writer.place('list/aa').setWithPriority({ n: 3 }, 20);
      await reader.settled();
      tree = expect(parse({ ...LIST, aa: { n: 3, '.priority': 20 } }), 'one more', tree);
      await writer.place('list/b').setPriority(null);
      await reader.settled();
      const { b, ...rest } = { ...LIST, aa: { n: 3, '.priority': 20 } };
      tree = expect(parse({ ...rest, b: b['.value'] }), 'one moves', tree);
      equal((await reader.place('list').once()).export, exported(tree), 'all of it');
    },
  },
  {
    title: 'windows by priority and name, several at one place, while they come and go',
    needs: ['legacy'],
    async run(world) {
      const [writer, reader] = [await world.connect(), await world.connect()];
      const listeners = new Map();
      const listen = (steps) => listeners.set(steps, record(reader.place('list').query(steps), ['value']));
      const end = (steps) => {
        listeners.get(steps).off();
        listeners.delete(steps);
      };
      let tree = parse(LIST);
      /** What the listeners end with: the events before are not the same in all generations. */
      const check = async (what) => {
        await reader.settled();
        for (const [steps, log] of listeners) {
          const view = new View(steps);
          const seen = view.of(tree);
          const wanted = ['value', null, exported(seen), view.ordered(seen).map(([key]) => key)];
          equal(log.at(-1), wanted, `${what}, ${JSON.stringify(steps)}`);
        }
      };
      const write = async (key, json) => {
        await writer.place('list').child(key).set(json);
        tree = put(tree, [key], parse(json));
      };
      await writer.place('list').set(LIST);
      for (const steps of ALIKE) listen(steps);
      await check('at the start');
      await write('aa', { '.value': 'enters', '.priority': 5 });
      await write('zz', { '.value': 'enters', '.priority': 'y' });
      await check('two enter');
      // Before 2.0 the SDKs, which are sent all of the list, show what lies before the start of such a window when its
      // first child moves behind others.
      const [whole, , , startsAt20] = ALIKE;
      end(startsAt20);
      await write('b', { '.value': 'moves', '.priority': 30 });
      await check('one moves');
      listen([['startAt', 30], ['limit', 1]]);
      await reader.settled();
      await write('zz', null);
      await check('one leaves');
      end(whole);
      await write('f', null);
      await write('g', { '.value': 'last', '.priority': 'z' });
      await check('without the listener of all');
      listen(whole);
      listen(startsAt20);
      await check('and with it again');
    },
  },
  {
    title: 'a reconnection finds the same database by its host alone',
    needs: ['legacy', '!throws when cut'],
    async run(world) {
      const client = await world.connect();
      const connected = record(client.info('connected'), ['value']);
      await client.place('x').set(1);
      client.goOffline();
      const pending = client.place('x').set(2);
      client.goOnline();
      await pending;
      await until('the connection', () => values(connected).at(-1) === true);
      await breaks(client, connected);
      await client.place('x').set(3);
      equal(await world.read('x'), 3, 'in the database of the first label');
    },
  },
];
