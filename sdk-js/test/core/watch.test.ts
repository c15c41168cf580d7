// A watch keeps what it shows up to date step by step; laying all pending writes over all data must give the same.

import { expect, test } from 'vitest';
import { exportJson, fromJson, type Json } from '../../src/core/json.ts';
import type { Path } from '../../src/core/path.ts';
import { newWrite, type Op, overlay, UNKNOWN, type Write } from '../../src/core/pending.ts';
import { type Query, WHOLE } from '../../src/core/query.ts';
import { Watch } from '../../src/core/watch.ts';

/** Numbers that look random and are the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const AT: Path = ['l'];
const PLACES: readonly Path[] = [
  [],
  ['l'],
  ['l', 'a'],
  ['l', 'b'],
  ['l', 'a', 'x'],
  ['l', 'a', 'y', 'z'],
  ['l', 'b', 'x'],
  ['l', 'a', '.priority'],
  ['other'],
];
const VALUES: readonly Json[] = [null, 1, { x: 2 }, { x: 1, y: { z: 3 } }, { a: { x: 5 }, l: { b: 6 } }, 'leaf'];
const WINDOW: Query = { index: '$key', limit: 2, from: 'last' };

test.each([
  ['a plain listener', WHOLE],
  ['a window', WINDOW],
])('%s', (_, query) => {
  for (let seed = 0; seed < 300; seed++) run(query, seed);
});

function run(query: Query, seed: number): void {
  const random = generator(seed);
  const pick = <T>(from: readonly T[]): T => from[random(from.length)]!;
  const op = (): Op => {
    const path = pick(PLACES);
    return [path, fromJson(path.at(-1) === '.priority' ? pick([null, 1, 'p']) : pick(VALUES))];
  };
  let writes: Write[] = [];
  const watch = new Watch(AT, query, UNKNOWN, writes);
  for (let step = 0; step < 30; step++) {
    const what = random(5);
    if (what < 2) {
      const write = newWrite([op(), op()]);
      writes.push(write);
      watch.add(write.ops);
    } else if (what === 2 && writes.length > 0) {
      const gone = pick(writes);
      writes = writes.filter((write) => write !== gone);
      watch.change(
        gone.ops.map(([path]) => path),
        writes,
      );
    } else if (what === 3) {
      watch.hear([['/', exportJson(fromJson(pick(VALUES)))]], writes);
    } else if (watch.isSettled) {
      const known = [...watch.known.node.children.keys()];
      const place = known.length > 0 && random(2) === 0 ? `/${pick(known)}/x` : `/${pick(['a', 'b', 'c'])}`;
      watch.hear([[place, pick(VALUES)]], writes);
    }
    const expected = overlay(watch.known, AT, writes);
    const found = { ...watch.local, node: exportJson(watch.local.node) };
    expect(found, `seed ${seed}, step ${step}`).toEqual({ ...expected, node: exportJson(expected.node) });
  }
}
