// The last SDK of the first generation, 2.4.2: `new Firebase(url)`. It parses only host names of three labels, and its
// goOffline ends all connections of one copy of the script; so each client gets a copy of its own.

import { Client } from './namespaced.js';

/** `fresh` gives a new copy of the SDK: the constructor `Firebase`. */
export function legacy(name, fresh, features = []) {
  return {
    name,
    features: new Set(['legacy', ...features]),
    async connect({ port, ns }) {
      const Firebase = await fresh();
      return new Client(new Firebase(`http://${ns}.rtdb.localhost:${port}`), {
        timestamp: Firebase.ServerValue.TIMESTAMP,
        goOffline: () => Firebase.goOffline(),
        goOnline: () => Firebase.goOnline(),
        close: () => Firebase.goOffline(),
      });
    },
  };
}
