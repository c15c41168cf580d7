// The file for script tags: how large it is, and where it takes its server from.

import { createContext, runInContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { build, type Rolldown } from 'vite';
import { beforeAll, expect, test } from 'vitest';

const GZIP_BYTES_MAX = 13 * 1024;

let code: string;

beforeAll(async () => {
  const [bundle] = (await build({
    mode: 'script',
    logLevel: 'silent',
    build: { write: false },
  })) as Rolldown.RolldownOutput[];
  code = (bundle!.output[0] as Rolldown.OutputChunk).code;
});

/** Runs the file as a page does, and gives the page's globals. */
function page(src: string): Record<string, { server: string | null }> {
  const document = { currentScript: { src }, addEventListener() {} };
  const globals = { URL, console, document };
  runInContext(code, createContext(globals));
  return globals as never;
}

test('it fits into its budget', () => {
  expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(GZIP_BYTES_MAX);
});

test('the global is the constructor, and its server is where the script came from', () => {
  const { Firebase } = page('http://my-host:9000/firebase.js?v=1');
  expect([typeof Firebase, Firebase!.server]).toEqual(['function', 'http://my-host:9000']);
});

test('a script from a file names no server', () => {
  expect(page('file:///tmp/firebase.js').Firebase!.server).toBeNull();
});
