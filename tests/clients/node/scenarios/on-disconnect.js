// onDisconnect: what is armed runs once when the client goes, whatever way it goes, as one write.

import { until } from '../../../browser/support/wait.js';
import { equal, ok } from '../support/check.js';
import { breaks, record, values } from '../support/recorder.js';

/** What is there before, what is armed (in order), and what is left when the client has gone. */
const ARMED = {
  before: { set: 'online', kept: 1, gone: { x: 1 }, update: { a: 1, b: 2, c: { d: 3 } }, cancelled: 'stays' },
  /** `deep`: whether the SDK lets an update name a child of a child. */
  async arm(place, deep = true) {
    const at = (path) => place(path).onDisconnect();
    await at('set').set('offline');
    await at('update').update({ a: null, e: 'new', ...(deep ? { 'c/d': 4 } : { c: { d: 4 } }) });
    await at('gone').remove();
    await at('cancelled').set('never');
    await at('cancelled').cancel();
    await at('prio').setWithPriority('left', 7);
    // A later set takes the place of what was armed below it; what is armed below a set later is part of it.
    await at('tree/x').set('forgotten');
    await at('tree').set({ a: 1, b: { c: 2, d: 3 } });
    await at('tree/b/c').set('later');
    await at('tree/b/d').cancel();
  },
  after: {
    set: 'offline',
    kept: 1,
    update: { b: 2, c: { d: 4 }, e: 'new' },
    cancelled: 'stays',
    prio: { '.value': 'left', '.priority': 7 },
    tree: { a: 1, b: { c: 'later' } },
  },
};

/** What a client does in a process or page of its own before it is killed. */
export const doomed = {
  async 'arms everything'(client) {
    await ARMED.arm((path) => client.place(`all/${path}`));
  },
  async 'says it is here'(client) {
    await client.place('here').onDisconnect().set({ left: client.timestamp });
    await client.place('here').set('yes');
  },
};

/** Arms on one client, lets `leave` end it, and expects one event at the other. */
async function leaves(world, leave) {
  await world.write('all', ARMED.before);
  const watcher = await world.connect();
  const log = record(watcher.place('all'), ['value']);
  await watcher.settled();
  equal(values(log.take()), [ARMED.before], 'before');
  await leave();
  await until('what was armed', () => log.length > 0);
  await watcher.settled();
  equal(values(log), [ARMED.after], 'one event for all that was armed');
}

export const onDisconnect = [
  {
    title: 'what is armed runs as one write when the client says goodbye',
    async run(world) {
      const client = await world.connect();
      await leaves(world, async () => {
        await ARMED.arm((path) => client.place(`all/${path}`), !world.sdk.features.has('before 2.0'));
        client.goOffline();
      });
    },
  },
  {
    title: 'what is armed runs when the connection breaks, and not again when the client is back',
    needs: ['!throws when cut'],
    async run(world) {
      const client = await world.connect();
      const connected = record(client.info('connected'), ['value']);
      await leaves(world, async () => {
        await ARMED.arm((path) => client.place(`all/${path}`), !world.sdk.features.has('before 2.0'));
        await breaks(client, connected);
      });
      await client.place('all').set('here again');
      await breaks(client, connected);
      equal(await world.read('all'), 'here again', 'nothing is run that was not armed anew');
    },
  },
  {
    title: 'what is armed runs when the client is killed',
    needs: ['!long polling', '!before 2.0'],
    async run(world) {
      await leaves(world, async () => (await world.doom('arms everything')).kill());
    },
  },
  {
    title: 'a presence with a timestamp comes and goes',
    needs: ['!long polling', '!before 1.0'],
    async run(world) {
      const watcher = await world.connect();
      const log = record(watcher.place('here'), ['value']);
      await watcher.settled();
      const { kill } = await world.doom('says it is here');
      await until('the presence', () => values(log).includes('yes'));
      await kill();
      await until('the absence', () => values(log).length === 3);
      const [, , { left }] = values(log);
      ok(Math.abs(left - Date.now()) < 60_000, `the time of the server: ${left}`);
    },
  },
  {
    title: 'cancel at a parent forgets everything below',
    async run(world) {
      const [client, watcher] = [await world.connect(), await world.connect()];
      await client.place('c/x').onDisconnect().set(1);
      await client.place('c/y/z').onDisconnect().set(2);
      await client.place('c').onDisconnect().cancel();
      await client.place('d').onDisconnect().set('done');
      client.goOffline();
      await until('the disconnect', async () => (await world.read('d')) === 'done');
      equal((await watcher.place('c').once()).value, null, 'nothing that was cancelled');
    },
  },
];
