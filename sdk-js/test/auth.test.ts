// As whom the application asks: tokens, their ends, and functions that give new ones.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type AuthData, Firebase } from '../src/index.ts';
import { Peer } from './support/peer.ts';
import { record } from './support/record.ts';
import { gate, until } from './support/wait.ts';

let peer: Peer;
let ref: Firebase;
let users: (string | null)[];

beforeEach(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  peer = await Peer.start();
  ref = new Firebase(`${peer.origin}/room?ns=test`);
  users = [];
  ref.onAuth((data) => users.push(data ? data.uid : null));
  for (const uid of ['ann', 'bob']) peer.tokens.set(`token of ${uid}`, { auth: { uid, provider: 'p' } });
});

afterEach(async () => {
  ref.unauth();
  Firebase.goOffline();
  await peer.stop();
  Firebase.goOnline();
});

/** Who asked for each write. */
function writers(): string[] {
  return peer.requests.flatMap((request, at) => ('set' in request ? [`${request.data} ${peer.askedBy[at]}`] : []));
}

/** A function that gives `first`, then what is pushed to `more`; and how it was asked. */
function provider(first: string) {
  const [more, asked] = [[first], [] as boolean[]];
  const give = async (refused: boolean) => {
    asked.push(refused);
    const token = more.shift();
    if (token === undefined) throw new Error('no token today');
    return token;
  };
  return { more, asked, give };
}

function untilUser(uid: string | null): Promise<void> {
  return until(`user ${uid}`, () => users.at(-1) === uid);
}

test('a token is taken, and everybody learns who it is', async () => {
  const expires = Math.floor(Date.now() / 1000) + 3600;
  peer.tokens.set('t&1', { auth: { uid: 'ann', provider: 'password', n: 1 }, expires });
  const done: unknown[] = [];
  const data = await ref.child('a').authWithCustomToken('t&1', (...result) => done.push(result));
  const auth = { uid: 'ann', provider: 'password', n: 1 };
  expect(data).toEqual({ uid: 'ann', provider: 'password', auth, token: 't&1', expires });
  expect([done, ref.root().getAuth(), users]).toEqual([[[null, data]], data, [null, 'ann']]);
  await ref.set(1);
  expect(writers()).toEqual(['1 t&1']);
});

test('a token that the server makes nothing of is an administrator', async () => {
  peer.tokens.set('secret', { auth: null });
  const data = await ref.auth('secret');
  expect(data).toEqual({ uid: null, provider: 'custom', auth: null, token: 'secret' });
});

test('a refused token is told, and nobody is signed in', async () => {
  const done: unknown[] = [];
  const over: unknown[] = [];
  const promise = ref.auth(
    'forged',
    (error, data) => done.push(error, data),
    (error) => over.push(error),
  );
  await expect(promise).rejects.toMatchObject({
    code: 'INVALID_TOKEN',
    message: 'invalid_token: Could not parse auth token.',
  });
  expect([ref.getAuth(), users, over]).toEqual([null, [null], []]);
  expect(done).toEqual([expect.objectContaining({ code: 'INVALID_TOKEN' }), undefined]);
  await ref.set(1);
  expect(writers()).toEqual(['1 null']);
});

test('what was asked for under a refused token fails, and is not done as nobody', async () => {
  const signedIn = ref.authWithCustomToken('forged');
  const write = ref.set(1);
  await expect(signedIn).rejects.toThrow();
  await expect(write).rejects.toThrow('Could not parse auth token.');
  expect(writers()).toEqual([]);
});

test('each write is done as whoever asked for it, in order', async () => {
  await ref.set(0);
  const writes = [ref.set(1)];
  void ref.authWithCustomToken('token of ann');
  writes.push(ref.set(2), ref.set(3));
  void ref.authWithCustomToken('token of bob');
  writes.push(ref.set(4));
  ref.unauth();
  writes.push(ref.set(5));
  await Promise.all(writes);
  expect(writers()).toEqual(['0 null', '1 null', '2 token of ann', '3 token of ann', '4 token of bob', '5 null']);
});

test('the last words before unauth are said by the user', async () => {
  await ref.authWithCustomToken('token of ann');
  const goodbye = ref.set('bye');
  ref.unauth();
  await goodbye;
  expect([writers(), users]).toEqual([['bye token of ann'], [null, 'ann', null]]);
});

test('a new user disturbs neither listeners nor .info/connected', async () => {
  peer.set('/room', 1);
  const lines = record(ref, ['value']);
  const connected = record(ref.root().child('.info/connected'), ['value']);
  await until('the data', () => lines.length === 1);
  await ref.authWithCustomToken('token of ann');
  await ref.authWithCustomToken('token of bob');
  peer.set('/room', 2);
  await until('the change', () => lines.length === 2);
  expect(connected).toEqual(['value false', 'value true']);
  expect([peer.sessions.size, peer.streamTokens]).toEqual([1, [null, 'token of ann', 'token of bob']]);
  expect(peer.requests.filter((request) => 'listen' in request)).toHaveLength(1);
});

test('a call of auth that is overtaken rejects', async () => {
  const first = ref.authWithCustomToken('token of ann');
  const second = ref.authWithCustomToken('token of bob');
  await expect(first).rejects.toThrow('auth was called again');
  await second;
  expect(users).toEqual([null, 'bob']);
});

test('an ended token signs out: onCancel and onAuth are told, listeners go on as nobody', async () => {
  const over: Error[] = [];
  await ref.auth('token of ann', null, (error) => over.push(error));
  const lines = record(ref, ['value']);
  await until('the data', () => lines.length === 1);
  peer.revoke('token of ann');
  await untilUser(null);
  expect(over).toEqual([expect.objectContaining({ code: 'EXPIRED_TOKEN' })]);
  peer.set('/room', 2);
  await until('the change', () => lines.length === 2);
  expect([ref.getAuth(), peer.sessions.size, peer.streamTokens.at(-1)]).toEqual([null, 1, null]);
});

test('a function is asked for a token, and what is asked for meanwhile waits for it', async () => {
  const slow = gate();
  const signedIn = ref.authWithCustomToken(() => slow.promise.then(() => 'token of ann'));
  const write = ref.set(1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(writers()).toEqual([]);
  slow.open();
  expect((await signedIn).uid).toBe('ann');
  await write;
  expect(writers()).toEqual(['1 token of ann']);
});

test('a function that has no token is told as it failed', async () => {
  const signedIn = ref.authWithCustomToken(() => {
    throw new Error('not logged in');
  });
  const write = ref.set(1);
  await expect(signedIn).rejects.toThrow('not logged in');
  await expect(write).rejects.toThrow('not logged in');
  await ref.set(2);
  expect(writers()).toEqual(['2 null']);
});

test('a token is replaced before it ends, and nobody notices', async () => {
  const now = Date.now() / 1000;
  peer.tokens.set('a1', { auth: { uid: 'ann' }, expires: now + 0.2 });
  peer.tokens.set('a2', { auth: { uid: 'ann' }, expires: now + 3600 });
  const { more, asked, give } = provider('a1');
  await ref.authWithCustomToken(give);
  more.push('a2');
  await until('the next token', () => ref.getAuth()?.token === 'a2');
  expect([asked, users]).toEqual([
    [false, false],
    [null, 'ann'],
  ]);
  await ref.set(1);
  expect(writers()).toEqual(['1 a2']);
});

test('a token that is said to have ended long ago, as in an emulator, is not replaced', async () => {
  peer.tokens.set('mock', { auth: { uid: 'ann' }, expires: 3600 });
  const { asked, give } = provider('mock');
  await ref.authWithCustomToken(give);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect([asked, ref.getAuth()?.token]).toEqual([[false], 'mock']);
});

test('after auth_revoked the function is asked again, and the user stays', async () => {
  const { more, asked, give } = provider('token of ann');
  await ref.authWithCustomToken(give);
  peer.tokens.set('a2', { auth: { uid: 'ann' } });
  more.push('a2');
  peer.revoke('token of ann');
  await until('the next token', () => ref.getAuth()?.token === 'a2');
  expect([asked, users]).toEqual([
    [false, true],
    [null, 'ann'],
  ]);
});

test('a write that meets 401 is sent again with the next token, and done once', async () => {
  const { more, asked, give } = provider('token of ann');
  await ref.authWithCustomToken(give);
  peer.tokens.set('a2', { auth: { uid: 'ann' } });
  more.push('a2');
  peer.tokens.delete('token of ann'); // the stream is not told
  await Promise.all([ref.set(1), ref.child('b').set(2)]);
  expect([writers(), asked, users]).toEqual([
    ['1 a2', '2 a2'],
    [false, true],
    [null, 'ann'],
  ]);
});

test('a function whose tokens are refused again and again is not asked for ever', async () => {
  const { more, asked, give } = provider('token of ann');
  await ref.authWithCustomToken(give);
  more.push('forged 1', 'forged 2', 'forged 3');
  peer.revoke('token of ann');
  await untilUser(null);
  await ref.set(1);
  expect([asked, writers()]).toEqual([[false, true], ['1 null']]);
  expect(peer.streamTokens.slice(1)).toEqual(['forged 1', null]);
});

test('a function that gives the refused token again is not believed', async () => {
  const { more, give } = provider('token of ann');
  await ref.authWithCustomToken(give);
  more.push('token of ann');
  peer.revoke('token of ann');
  await until('the next stream', () => peer.streamTokens.length > 1);
  expect([users.at(-1), peer.streamTokens.slice(1)]).toEqual([null, [null]]);
});

test('a reconnect and a new session keep the user', async () => {
  await ref.authWithCustomToken('token of ann');
  peer.forgetSessions();
  await ref.set(1);
  expect([writers(), users]).toEqual([['1 token of ann'], [null, 'ann']]);
});

test('offAuth ends what onAuth began', async () => {
  const heard: (AuthData | null)[] = [];
  const context = {};
  const hear = (data: AuthData | null) => heard.push(data);
  ref.onAuth(hear, context);
  ref.onAuth(hear);
  ref.offAuth(hear, context);
  await ref.authWithCustomToken('token of ann');
  expect(heard).toHaveLength(3);
  ref.offAuth(hear);
  ref.unauth();
  expect(heard).toHaveLength(3);
});

test('unauth of nobody connects nothing', () => {
  ref.unauth();
  expect([peer.streamTokens, users]).toEqual([[], [null]]);
});

test('what is no token is refused at once', () => {
  expect(() => ref.auth(1 as never)).toThrow('Firebase.auth failed');
  expect(() => ref.authWithCustomToken('t', 1 as never)).toThrow('Firebase.authWithCustomToken failed');
  expect(() => ref.onAuth(null as never)).toThrow('Firebase.onAuth failed');
});
