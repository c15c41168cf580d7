// The SDKs under test in Node, as npm delivers them.

import dns from 'node:dns';
import { createRequire } from 'node:module';
import { legacy } from '../adapters/legacy.js';
import { modular } from '../adapters/modular.js';
import { namespaced } from '../adapters/namespaced.js';

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
  'firebase 2.4.2': () => legacy('firebase 2.4.2', freshLegacy),
  'firebase 2.4.2 long polling': () =>
    legacy('firebase 2.4.2 long polling', () => {
      const Firebase = freshLegacy();
      Firebase.INTERNAL.forceLongPolling();
      return Firebase;
    }, ['long polling', 'throws when cut']),
  'firebase-admin': () => {
    const admin = require('firebase-admin');
    return namespaced('firebase-admin', admin, ['get', 'increment', 'startAfter']);
  },
};

export async function load(name) {
  resolveLocalhost();
  return SDKS[name]();
}

/** A copy of 2.4.2 that shares nothing with other copies. */
function freshLegacy() {
  const path = require.resolve('firebase-2');
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
