// The surface: references, queries and their errors. Nothing here connects.

import { expect, test } from 'vitest';
import { Firebase } from '../src/index.ts';

const ref: Firebase = new Firebase('http://localhost:1/rooms/a?ns=test');

test('references: moving about, and the URL in the form it was given', () => {
  expect(ref.toString()).toBe('http://localhost:1/rooms/a?ns=test');
  expect(ref.child('b/c d').toString()).toBe('http://localhost:1/rooms/a/b/c%20d?ns=test');
  expect(ref.child(5).key()).toBe('5');
  expect([ref.key(), ref.name(), ref.parent()!.key(), ref.root().key()]).toEqual(['a', 'a', 'rooms', null]);
  expect([ref.root().toString(), ref.root().parent()]).toEqual(['http://localhost:1/?ns=test', null]);
  expect(ref.limit(2).ref().toString()).toBe(ref.toString());
  Firebase.server = 'http://localhost:1';
  expect(new Firebase('//Chat.firebaseIO.com/room').child('x').toString()).toBe('https://chat.firebaseio.com/room/x');
  Firebase.server = null;
});

test('pages hang their own properties on a reference', () => {
  const socket = Object.assign(ref.child('s'), { channel: 'c', send: (data: string) => data });
  expect([socket.channel, socket.send('x'), socket.key()]).toEqual(['c', 'x', 's']);
});

test.each<[() => unknown, string]>([
  [() => new Firebase(5 as never), 'new Firebase failed: First argument must be a valid firebase URL'],
  [() => ref.child(''), 'Firebase.child failed: First argument was an invalid path: "". Paths must be'],
  [() => ref.child('a.b'), 'Firebase.child failed: First argument was an invalid path: "a.b".'],
  [() => ref.child('.info'), 'was an invalid path'],
  [() => ref.set(undefined), "Firebase.set failed: First argument contains undefined in property 'rooms.a'"],
  [() => ref.set(1, 5 as never), 'Firebase.set failed: Second argument must be a valid function.'],
  [() => ref.update(5 as never), 'Firebase.update failed: First argument  must be an object'],
  [
    () => ref.setPriority(true as never),
    'Firebase.setPriority failed: First argument must be a valid Firebase priority',
  ],
  [() => ref.setWithPriority(1, Number.NaN), 'Second argument must be a valid Firebase priority'],
  [() => ref.root().child('.info/x').set(1), "Firebase.set failed: Can't modify data under /.info/"],
  [() => ref.on('vlaue' as never, () => {}), 'Query.on failed: First argument must be a valid event type: "value", '],
  [() => ref.on('value', null as never), 'Query.on failed: Second argument must be a valid function.'],
  [() => ref.limit(0), 'Query.limit: First argument must be a positive integer.'],
  [() => ref.limit(2).limitToLast(1), 'Query.limitToLast: Limit was already set'],
  [() => ref.startAt(1).startAt(2), 'Query.startAt: Starting point was already set'],
  [() => ref.endAt(1).equalTo(2), 'Query.equalTo: Ending point was already set'],
  [() => ref.startAt(1).endAt(2).limit(1), "Query: Can't combine startAt(), endAt(), and limit()."],
  [() => ref.orderByKey().orderByValue(), "Query.orderByValue: You can't combine multiple orderBy calls."],
  [() => ref.orderByChild('$key'), 'Query.orderByChild failed: First argument was an invalid path: "$key".'],
  [() => ref.orderByKey().startAt(1), 'Query: When ordering by key, you may only pass one argument'],
  [() => ref.orderByKey().equalTo('a', 'b'), 'Query: When ordering by key, you may only pass one argument'],
  [() => ref.startAt(true), 'Query: When ordering by priority, the first argument'],
  [() => ref.startAt(1, 'a/b'), 'Query.startAt failed: Second argument was an invalid key: "a/b".'],
  [() => ref.transaction(5 as never), 'Firebase.transaction failed: First argument must be a valid function.'],
])('%s', (call, message) => {
  expect(call).toThrow(message);
});
