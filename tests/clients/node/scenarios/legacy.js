// What only the first generation has: limit(), bounds by priority and name, a database named by the first label of the host.

import { until } from '../../../browser/support/wait.js';
import { equal } from '../support/check.js';
import { exported, parse, View } from '../support/model.js';
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

export const legacy = [
  {
    title: 'limit, startAt and endAt of the first generation',
    needs: ['legacy'],
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
