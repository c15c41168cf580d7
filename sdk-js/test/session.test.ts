// What survives when connections, sessions and servers do not.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Firebase } from '../src/index.ts';
import { Peer } from './support/peer.ts';
import { ALL_EVENTS, CHILD_EVENTS, record } from './support/record.ts';
import { gate, until } from './support/wait.ts';

let peer: Peer;
let ref: Firebase;

beforeEach(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  peer = await Peer.start();
  ref = new Firebase(`${peer.origin}/room?ns=test`);
});

afterEach(async () => {
  Firebase.goOffline();
  await peer.stop();
  Firebase.goOnline();
});

function requests(verb: string): unknown[] {
  return peer.requests.filter((request) => verb in request);
}

test('nothing connects before it is needed', async () => {
  ref.child('a').parent();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(peer.sessions.size).toBe(0);
});

test('.info/connected is false, then true, and follows the stream', async () => {
  const lines = record(ref.root().child('.info/connected'), ['value']);
  await until('the connection', () => lines.length === 2);
  peer.breakStreams();
  await until('the next one', () => lines.length === 4);
  expect(lines).toEqual(['value false', 'value true', 'value false', 'value true']);
  expect(peer.sessions.size).toBe(1);
});

test('a write to the root leaves .info alone', async () => {
  const lines = record(ref.root().child('.info/connected'), ['value']);
  await until('the connection', () => lines.length === 2);
  await ref.root().set({ a: 1 });
  expect(lines).toEqual(['value false', 'value true']);
  expect((await ref.root().child('.info').once('value')).child('connected').val()).toBe(true);
});

test('a broken stream is resumed: what was missed comes, nothing twice', async () => {
  const lines = record(ref, CHILD_EVENTS);
  peer.set('/room/a', 1);
  await until('the first', () => lines.length === 1);
  peer.breakStreams();
  peer.set('/room/b', 2);
  await until('the missed one', () => lines.length === 2);
  peer.set('/room/c', 3);
  await until('the live one', () => lines.length === 3);
  expect(lines.map((line) => line.slice(0, 13))).toEqual(['child_added a', 'child_added b', 'child_added c']);
  expect(requests('listen')).toHaveLength(1);
});

test('a lost session is opened anew: listeners hear only what has changed', async () => {
  peer.set('/room', { a: 1, b: 2 });
  const lines = record(ref, ALL_EVENTS);
  const window = record(ref.limitToLast(1), ['child_added', 'child_removed']);
  await until('the data', () => lines.length === 3 && window.length === 1);
  peer.forgetSessions();
  peer.set('/room', { a: 1, c: 3 });
  await until('the difference', () => lines.length === 6 && window.length === 3);
  expect(lines.slice(3)).toEqual(['child_removed b=2', 'child_added c=3 after a', 'value {"a":1,"c":3}']);
  expect(window.slice(1)).toEqual(['child_removed b=2', 'child_added c=3 after null']);
});

test('a write without an answer is sent again under its number and done once', async () => {
  peer.answersToLose = 1;
  await ref.child('n').set(Firebase.ServerValue.increment(1));
  expect(peer.data.at(['room', 'n']).value).toBe(1);
  expect(requests('set')).toHaveLength(1);
});

test('writes of a lost session are sent again in order, behind the listens', async () => {
  const lines = record(ref, ['value']);
  await until('the first value', () => lines.length === 1);
  const slow = gate();
  peer.gate = slow.promise;
  const first = ref.child('a').set(1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const second = ref.child('b').set(2);
  peer.forgetSessions();
  peer.gate = Promise.resolve();
  slow.open();
  await Promise.all([first, second]);
  expect(peer.requests.map((request) => Object.keys(request)[0])).toEqual(['listen', 'listen', 'set', 'set']);
  expect(lines).toEqual(['value null', 'value {"a":1}', 'value {"a":1,"b":2}']);
});

test('an answered write shows until the new session has told of it', async () => {
  const lines = record(ref, ['value']);
  await until('the first value', () => lines.length === 1);
  await ref.set(1);
  peer.forgetSessions();
  peer.set('/room', 2);
  await until('the new value', () => lines.at(-1) === 'value 2');
  expect(lines).toEqual(['value null', 'value 1', 'value 2']);
});

test('goOffline runs onDisconnect, and goOnline opens a session that knows nothing of it', async () => {
  await ref.child('me').set('here');
  await ref.child('me').onDisconnect().remove();
  await ref.child('last').onDisconnect().setWithPriority(1, 2);
  Firebase.goOffline();
  await until('the end', () => peer.sessions.size === 0 && !peer.data.at(['room', 'last']).isEmpty);
  expect(peer.data.at(['room', 'me']).isEmpty).toBe(true);
  Firebase.goOnline();
  await ref.child('me').set('back');
  expect(requests('onDisconnectSet')).toHaveLength(2);
});

test('what was asked for right before goOffline still arrives, and what comes after it waits', async () => {
  await ref.set(0);
  ref.set(1);
  Firebase.goOffline();
  const after = ref.set(2);
  await until('the end', () => peer.sessions.size === 0);
  expect(peer.data.at(['room']).value).toBe(1);
  Firebase.goOnline();
  await after;
  expect(peer.data.at(['room']).value).toBe(2);
});

test('a listener added and writes made offline work locally, then for real', async () => {
  Firebase.goOffline();
  const lines = record(ref, ALL_EVENTS);
  const written = ref.set({ a: 1 });
  expect(lines).toEqual(['child_added a=1 after null', 'value {"a":1}']);
  Firebase.goOnline();
  await written;
  expect(lines).toHaveLength(2);
});

test('an unconfirmed onDisconnect is sent again in the next session', async () => {
  await ref.set(0);
  const slow = gate();
  peer.gate = slow.promise;
  const armed = ref.onDisconnect().set('gone');
  await new Promise((resolve) => setTimeout(resolve, 20));
  peer.forgetSessions();
  peer.gate = Promise.resolve();
  slow.open();
  await armed;
  expect(requests('onDisconnectSet')).toHaveLength(1);
});

test('a page that goes away ends its session by beacon, and comes back out of the cache', async () => {
  const handlers = new Map<string, (event: unknown) => void>();
  vi.stubGlobal('addEventListener', (name: string, handler: (event: unknown) => void) => handlers.set(name, handler));
  const sendBeacon = vi.fn((url: string, body: string) => {
    void fetch(url, { method: 'POST', body });
    return true;
  });
  vi.stubGlobal('navigator', { sendBeacon });
  const page = new Firebase(`${peer.origin}/page?ns=beacon`);
  await page.onDisconnect().set('left');
  page.child('last words').set(true);
  handlers.get('pagehide')!({});
  await until('the end', () => peer.data.at(['page']).value === 'left');
  expect(peer.requests.at(-1)).toEqual({ set: '/page/last words', data: true });
  expect(sendBeacon.mock.calls[0]![0]).toMatch(/\/close\?ns=beacon$/);
  handlers.get('pageshow')!({ persisted: true });
  await page.set('back');
  expect(peer.data.at(['page']).value).toBe('back');
  vi.unstubAllGlobals();
});
