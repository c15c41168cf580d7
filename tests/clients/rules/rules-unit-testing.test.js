// `@firebase/rules-unit-testing` from npm, unmodified, on the rules of a chat: what app developers run in their CI.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, beforeEach, describe, test } from 'node:test';
import { assertFails, assertSucceeds, initializeTestEnvironment } from '@firebase/rules-unit-testing';
import firebase from 'firebase/compat/app';
import { Beaconfire } from '../../browser/support/beaconfire.js';

const HOST = '127.0.0.1';
const NOW = firebase.database.ServerValue.TIMESTAMP;
const CHAT = {
  users: { ann: { name: 'Ann' }, bob: { name: 'Bob' } },
  moderators: { max: true },
  rooms: {
    hall: { name: 'The hall', owner: 'ann', public: true },
    attic: { name: 'The attic', owner: 'ann', public: false },
  },
  members: { hall: { ann: 'member', bob: 'guest' }, attic: { ann: 'member', cleo: 'member' } },
  messages: { attic: { m1: { from: 'cleo', text: 'hello', sentAt: 1 }, m2: { from: 'ann', text: 'hi', sentAt: 2 } } },
};

describe('the rules of a chat', { timeout: 120_000 }, () => {
  let beaconfire, environment, rules;

  before(async () => {
    console.warn = () => {}; // the SDK warns of every refused request
    beaconfire = await Beaconfire.start();
    rules = await readFile(new URL('chat.rules.json', import.meta.url), 'utf8');
    environment = await start('demo-chat', rules);
  });

  after(async () => {
    await environment?.cleanup();
    await beaconfire?.stop();
  });

  beforeEach(() => environment.withSecurityRulesDisabled((context) => context.database().ref().set(CHAT)));

  const start = (projectId, text) =>
    initializeTestEnvironment({ projectId, database: { host: HOST, port: beaconfire.port, rules: text } });

  /** The database as `uid` sees it, with claims beside; nobody in particular without. */
  const as = (uid, claims) =>
    (uid ? environment.authenticatedContext(uid, claims) : environment.unauthenticatedContext()).database();
  const message = (from) => ({ from, text: 'What a view!', sentAt: NOW });

  test('profiles are read by users and written by their own', async () => {
    await assertSucceeds(as('bob').ref('users/ann').get());
    await assertFails(as(null).ref('users/ann').get());
    await assertFails(as('bob').ref('users').get());
    await assertSucceeds(as('ann').ref('users/ann').set({ name: 'Ann B.', photo: 'HTTPS://example.org/a.png' }));
    await assertSucceeds(as('ann').ref('users/ann/name').set('Anna'));
    await assertFails(as('ann').ref('users/ann/name').set('x'.repeat(41)));
    await assertFails(as('ann').ref('users/ann/photo').set('file:///etc/passwd'));
    await assertFails(as('ann').ref('users/ann').update({ isAdmin: true }));
    await assertFails(as('ann').ref('users/ann/name').remove());
    await assertSucceeds(as('ann').ref('users/ann').remove());
    await assertFails(as('bob').ref('users/ann').set({ name: 'Eve' }));
  });

  test('rooms are found by the query that the rules want', async () => {
    const rooms = as('bob').ref('rooms');
    const found = await assertSucceeds(rooms.orderByChild('public').equalTo(true).limitToFirst(50).get());
    assert.deepEqual(Object.keys(found.val()), ['hall']);
    await assertFails(rooms.get());
    await assertFails(rooms.orderByChild('public').equalTo(true).get());
    await assertFails(rooms.orderByChild('public').equalTo(false).limitToFirst(50).get());
    await assertFails(rooms.orderByKey().equalTo('attic').limitToFirst(50).get());
    await assertFails(as(null).ref('rooms').orderByChild('public').equalTo(true).limitToFirst(5).get());
  });

  test('rooms belong to who makes them', async () => {
    const room = { name: 'The cellar', owner: 'bob', public: true };
    await assertSucceeds(as('bob').ref('rooms/cellar').set(room));
    await assertFails(as('ann').ref('rooms/cellar/name').set('Mine'));
    await assertFails(as('ann').ref('rooms/yard').set({ ...room, owner: 'bob' }));
    await assertFails(as('bob').ref('rooms/cellar/owner').set('ann'));
    await assertFails(as('bob').ref('rooms/yard').set({ name: 'No owner', public: true }));
    await assertSucceeds(as('bob').ref('rooms/cellar').remove());
  });

  test('a room and its first member come in one update, or not at all', async () => {
    const both = { 'rooms/yard': { name: 'The yard', owner: 'bob', public: false }, 'members/yard/bob': 'member' };
    await assertFails(as('bob').ref().update({ 'members/yard/bob': 'member' }));
    await assertFails(as('bob').ref().update({ ...both, 'members/attic/bob': 'member' }));
    await assertFails(as('bob').ref('rooms/yard').get());
    await assertSucceeds(as('bob').ref().update(both));
    await assertSucceeds(as('bob').ref('rooms/yard').get());
    await assertFails(as('cleo').ref('rooms/yard').get());
  });

  test('membership opens and closes a room', async () => {
    await assertSucceeds(as('dan').ref('members/hall/dan').set('guest'));
    await assertFails(as('dan').ref('members/attic/dan').set('member'));
    await assertSucceeds(as('ann').ref('members/attic/dan').set('member'));
    await assertFails(as('ann').ref('members/attic/dan').set('emperor'));
    await assertSucceeds(as('dan').ref('messages/attic').get());
    await assertSucceeds(as('dan').ref('members/attic/dan').remove());
    await assertFails(as('dan').ref('messages/attic').get());
  });

  test('members write messages as themselves and now', async () => {
    const attic = as('cleo').ref('messages/attic');
    await assertSucceeds(attic.push(message('cleo')));
    await assertFails(attic.push(message('ann')));
    await assertFails(attic.push({ ...message('cleo'), sentAt: 5 }));
    await assertFails(attic.push({ ...message('cleo'), text: '' }));
    await assertFails(attic.push({ ...message('cleo'), colour: 'red' }));
    await assertFails(attic.child('m1/text').set('edited'));
    await assertFails(as('bob').ref('messages/hall').push(message('bob')));
    await assertFails(as(null).ref('messages/hall').push(message(null)));
    await assertSucceeds(attic.orderByChild('sentAt').limitToLast(10).get());
    await assertSucceeds(attic.child('m3').transaction((old) => old ?? message('cleo')));
  });

  test('messages are deleted by their author and by moderators of both kinds', async () => {
    await assertFails(as('cleo').ref('messages/attic/m2').remove());
    await assertSucceeds(as('cleo').ref('messages/attic/m1').remove());
    await assertFails(as('eve').ref('messages/attic/m2').remove());
    await assertFails(as('eve', { moderator: 'yes' }).ref('messages/attic/m2').remove());
    await assertSucceeds(as('eve', { moderator: true }).ref('messages/attic/m2').remove());
    await assertFails(as('max').ref('moderators/eve').set(true));
    await environment.withSecurityRulesDisabled((context) => context.database().ref('messages').set(CHAT.messages));
    await assertSucceeds(as('max').ref('messages/attic/m2').remove());
  });

  test('presence is set by oneself, now and at the end of the connection', async () => {
    const own = as('ann').ref('presence/ann');
    await assertSucceeds(own.set(true));
    await assertSucceeds(own.onDisconnect().set(NOW));
    await assertFails(as('bob').ref('presence/ann').set(false));
    await assertFails(own.set('maybe'));
    await assertSucceeds(as('bob').ref('presence/ann').get());
  });

  test('listeners are told what they may not hear', async () => {
    const listen = (uid) => new Promise((done, failed) => as(uid).ref('messages/attic').on('value', done, failed));
    assert.equal((await assertSucceeds(listen('cleo'))).child('m1/text').val(), 'hello');
    await assertFails(listen('eve'));
    await assertFails(listen(null));
  });

  test('without rules everything can be done, and only there', async () => {
    let kept;
    await environment.withSecurityRulesDisabled(async (context) => {
      kept = context;
      await context.database().ref('moderators/ann').set(true);
      assert.equal((await context.database().ref('moderators/ann').get()).val(), true);
    });
    assert.throws(() => kept.database(), /no longer valid/);
    await assertSucceeds(as('ann').ref('moderators/ann').get());
    await assertFails(as('ann').ref('moderators/max').get());
  });

  test('the database is cleared, and its rules stay', async () => {
    await environment.clearDatabase();
    await environment.withSecurityRulesDisabled(async (context) => {
      assert.equal((await context.database().ref().get()).val(), null);
    });
    await assertFails(as('ann').ref('moderators/max').get());
  });

  test('projects share neither data nor rules', async () => {
    const other = await start('demo-other', '{"rules":{".read":true}}');
    const database = other.unauthenticatedContext().database();
    assert.equal((await assertSucceeds(database.ref().get())).val(), null);
    await assertFails(database.ref('users/ann').set({ name: 'Eve' }));
    await assertFails(as(null).ref('users/ann').get());
    await other.cleanup();
  });

  test('faulty rules are refused with the place of each fault, and those in force stay', async () => {
    const faulty = '{\n  "rules": {\n    ".read": "aut != null",\n    ".write": "auth.uid"\n  }\n}';
    await assert.rejects(start('demo-chat', faulty), (error) => {
      assert.match(error.message, /3:15: Unknown variable 'aut'\.\\n4:\d+: /);
      return true;
    });
    await assert.rejects(start('demo-chat', '{"rules":'), /Parse error/);
    await assertFails(as('bob').ref('users/ann').set({ name: 'Eve' }));
  });
});
