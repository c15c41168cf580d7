// Texts: listen texts, push ids, locations, event streams, and what the SDK refuses.

import { afterEach, expect, test, vi } from 'vitest';
import { parseLocation } from '../../src/api/location.ts';
import { finished, withEnd, withLimit, withOrder, withStart } from '../../src/core/draft.ts';
import { parsePath } from '../../src/core/path.ts';
import { pushIds } from '../../src/core/push-id.ts';
import { listenText, WHOLE } from '../../src/core/query.ts';
import { cleanData, cleanUpdate } from '../../src/core/validate.ts';
import { SseParser, type StreamEvent } from '../../src/transport/sse.ts';

afterEach(() => vi.unstubAllGlobals());

test('listen texts: orders of everything share one, bounds and limits are spelled out', () => {
  const path = parsePath('/rooms/x');
  const byAge = withOrder(WHOLE, 'm', 'age');
  expect(listenText(path, finished(byAge))).toBe('/rooms/x');
  const window = withLimit(withStart(byAge, 'm', 3), 'm', 10);
  expect(listenText(path, finished(window))).toBe('/rooms/x?orderBy="age"&startAt=3&limitToFirst=10');
  const equal = withEnd(withStart(byAge, 'm', null), 'm', null);
  expect(listenText(path, finished(equal))).toBe('/rooms/x?orderBy="age"&endAt=null');
  const keyed = withEnd(withStart(WHOLE, 'm', 'a&b%', 'k'), 'm', 'a&b%', 'k');
  expect(listenText(['50%?'], finished(keyed))).toBe('/50%25%3F?orderBy="$priority"&equalTo="a\\u0026b\\u0025","k"');
  const byKey = withStart(withOrder(WHOLE, 'm', '$key'), 'm', 'k');
  expect(listenText([], finished(withLimit(byKey, 'm', 1, 'last')))).toBe('/?orderBy="$key"&startAt="k"&limitToLast=1');
});

test('push ids: 20 characters that rise, also when the clock does not', () => {
  const next = pushIds(() => 0.999_999);
  const ids = [next(1_795_197_713_650), next(1_795_197_713_650), next(1_795_197_713_649), next(1_795_197_713_651)];
  expect(ids.every((id) => /^[-\w]{20}$/.test(id))).toBe(true);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(4);
  expect(pushIds(() => 0)(1_795_197_713_650)).toMatch(/^-P6u.{4}-{12}$/);
});

test.each([
  ['https://chat.firebaseIO.com/room', 'http://my:9', 'chat', 'room', 'https://chat.firebaseio.com'],
  ['//Chat.firebaseIO.com/a b+c/%2e', 'http://my:9', 'chat', 'invalid', ''],
  ['//Chat.firebaseIO.com/a%20b+c', 'http://my:9', 'chat', 'a b c', 'https://chat.firebaseio.com'],
  ['https://chat.firebaseIO.com/demo?room=1', 'http://my:9', 'chat', 'demo?room=1', 'https://chat.firebaseio.com'],
  ['chat.firebaseio.com/x', 'http://my:9', 'chat', 'x', 'https://chat.firebaseio.com'],
  [
    'https://c.europe-west1.firebasedatabase.app',
    'http://my:9',
    'c',
    '',
    'https://c.europe-west1.firebasedatabase.app',
  ],
  ['https://chat.firebaseio.com/x', null, 'chat', 'x', 'https://chat.firebaseio.com'],
  ['http://localhost:9000/room?ns=Chat', null, 'chat', 'room', 'http://localhost:9000'],
  ['http://localhost:9000/room', null, null, 'room', 'http://localhost:9000'],
  ['http://127.0.0.1:9000/room', null, null, 'room', 'http://127.0.0.1:9000'],
  ['http://[::1]:9000/room', null, null, 'room', 'http://[::1]:9000'],
  ['http://chat.localhost:9000/room', null, 'chat', 'room', 'http://chat.localhost:9000'],
  ['ws://chat.rtdb.localhost:9000', null, 'chat', '', 'http://chat.rtdb.localhost:9000'],
  ['https://chat.example.com/a%/b', null, 'chat', 'a%/b', 'https://chat.example.com'],
  ['/room', 'http://my:9', null, 'room', 'http://my:9'],
  ['/room', null, null, 'invalid', ''],
  ['https://chat.firebaseio.com/a.b', null, 'chat', 'invalid', ''],
  [
    'https://chat.firebaseio.com/.info/connected',
    'http://my:9',
    'chat',
    '.info/connected',
    'https://chat.firebaseio.com',
  ],
])('%s on a page of %s', (url, server, ns, path, prefix) => {
  if (path === 'invalid') {
    expect(() => parseLocation(url, server)).toThrow('must be a valid firebase URL');
    return;
  }
  const location = parseLocation(url, server);
  expect([location.ns, location.path.join('/'), location.prefix]).toEqual([ns, path, prefix]);
  expect(location.origin).toBe(prefix.includes('fire') && server !== null ? server : prefix);
});

test('an event stream in any pieces gives the same events', () => {
  const stream = 'event: put\r\ndata: {"a":\ndata:1}\r\nid: e-1\r\n\r\n: comment\rdata: é😀\r\revent: x\n\ndata\n\n';
  const expected: StreamEvent[] = [
    { event: 'put', data: '{"a":\n1}', id: 'e-1' },
    { event: 'message', data: 'é😀' },
    { event: 'message', data: '' },
  ];
  for (let size = 1; size <= stream.length; size++) {
    const parser = new SseParser();
    const events: StreamEvent[] = [];
    for (let at = 0; at < stream.length; at += size) events.push(...parser.push(stream.slice(at, at + size)));
    expect(events).toEqual(expected);
  }
});

test('a large event in small pieces costs no more than its size', () => {
  const parser = new SseParser();
  const piece = 'x'.repeat(1_000);
  const started = performance.now();
  parser.push('data: ');
  for (let i = 0; i < 16_000; i++) parser.push(piece);
  expect(parser.push('\n\n')[0]!.data).toHaveLength(16_000_000);
  expect(performance.now() - started).toBeLessThan(1_000);
});

const deep = (levels: number): object => (levels === 0 ? {} : { a: deep(levels - 1) });
const cycle: Record<string, unknown> = {};
cycle.me = cycle;

test.each([
  [{ a: { b: undefined } }, "contains undefined in property 'a.b'"],
  [{ a: Number.NaN }, "contains NaN in property 'a'"],
  [[1, Number.POSITIVE_INFINITY], "contains Infinity in property '1'"],
  [{ f() {} }, "contains a function in property 'f'"],
  [{ 'a.b': 1 }, ' contains an invalid key (a.b)'],
  [{ x: { '': 1 } }, " contains an invalid key () in property 'x'"],
  [{ '.value': 1, a: 2 }, ' contains ".value" child  in addition to actual children.'],
  [deep(33), 'path specified exceeds the maximum depth that can be written (32)'],
  [cycle, 'path specified exceeds the maximum depth that can be written (32) or object contains a cycle'],
  [{ ['k'.repeat(769)]: 1 }, 'has a key path longer than 768 bytes (769).'],
  [1n, 'contains a bigint'],
])('data that is none: %o', (data, message) => {
  expect(() => cleanData('Firebase.set failed: First argument ', data, [])).toThrow(
    `Firebase.set failed: First argument ${message}`,
  );
});

test('data is copied: what is sent is what was checked', () => {
  const data = JSON.parse('{"__proto__":{"x":1},"list":[1,null,{"a":true}],"t":{".sv":"timestamp"},".priority":3}');
  const copy = cleanData('', data, []);
  expect(JSON.stringify(copy)).toBe(JSON.stringify(data));
  expect(copy).not.toBe(data);
  expect(cleanData('', new Date(), [])).toEqual({});
  expect(cleanData('', deep(32), [])).toEqual(deep(32));
});

test.each([
  [null, ' must be an object containing the children to replace.'],
  [{ 'a/b': 1, 'a/b/c': 2 }, 'contains a path /a/b that is ancestor of another path /a/b/c'],
  [{ 'a//$': 1 }, 'contains an invalid key ($) in path /a/$'],
  [{ 'a/.priority': true }, "contains an invalid value for '/a/.priority', which must be a valid Firebase priority"],
])('an update that is none: %o', (data, message) => {
  expect(() => cleanUpdate('Firebase.update', data, [])).toThrow(`Firebase.update failed: First argument ${message}`);
});
