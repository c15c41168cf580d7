// The SDKs under test in Node, as npm delivers them.

import dns from 'node:dns';
import { createRequire } from 'node:module';
import { legacy } from '../adapters/legacy.js';
import { modular } from '../adapters/modular.js';
import { namespaced } from '../adapters/namespaced.js';
import { old } from '../adapters/old.js';

const require = createRequire(import.meta.url);

/** By the name that a test or a child process asks for. Each loads its packages only when asked. */
const SDKS = {
  'firebase 12': async () =>
    modular('firebase 12', { app: await import('firebase-12/app'), database: await import('firebase-12/database') }),
  'firebase 8': () => {
    const firebase = require('firebase/app').default;
    require('firebase/database');
    return namespaced('firebase 8', firebase, ['get', 'increment', 'startAfter']);
  },
  'firebase 4': () => {
    const firebase = require('firebase-4/app');
    require('firebase-4/database');
    return namespaced('firebase 4', firebase, []);
  },
  'firebase 2.4.2': () => legacy('firebase 2.4.2', () => fresh('firebase-2')),
  'firebase 2.4.2 long polling': () =>
    legacy('firebase 2.4.2 long polling', () => {
      const Firebase = fresh('firebase-2');
      Firebase.INTERNAL.forceLongPolling();
      return Firebase;
    }, ['long polling', 'throws when cut']),
  'firebase 1.1.3': () => old('firebase 1.1.3', () => fresh('firebase-1')),
  'firebase 0.5.4': () => old('firebase 0.5.4', () => fresh('firebase-0'), ['before 1.0']),
  'firebase-admin': () => {
    const admin = require('firebase-admin');
    return namespaced('firebase-admin', admin, ['get', 'increment', 'startAfter']);
  },
};

/** The names of all SDKs. */
export const NAMES = Object.keys(SDKS);

export async function load(name) {
  resolveLocalhost();
  return SDKS[name]();
}

/** A copy of an SDK that shares nothing with other copies. */
function fresh(name) {
  const path = require.resolve(name);
  delete require.cache[path];
  return require(path);
}

/**
 * Browsers resolve `*.localhost` by themselves; Node asks the system, which may not know it. This is what a line in
 * /etc/hosts would do.
 */
function resolveLocalhost() {
  const { lookup } = dns;
  if (lookup.isOurs) return;
  dns.lookup = (host, ...rest) => lookup(/(^|\.)localhost$/.test(host) ? '127.0.0.1' : host, ...rest);
  dns.lookup.isOurs = true;
}
