// The modular SDK (9 to 12) behind the small API that all scenarios use.

import { Client } from './namespaced.js';

const plain = (snapshot) => ({
  get key() {
    return snapshot.key;
  },
  val: () => snapshot.val(),
  exportVal: () => snapshot.exportVal(),
  getPriority: () => snapshot.priority,
  forEach: (each) => snapshot.forEach((child) => each(plain(child))),
});

const LISTEN = {
  value: 'onValue',
  child_added: 'onChildAdded',
  child_changed: 'onChildChanged',
  child_moved: 'onChildMoved',
  child_removed: 'onChildRemoved',
};

let apps = 0;

/** `{ app, database }` are the modules `firebase/app` and `firebase/database`. */
export function modular(name, { app, database: db }, features = []) {
  /** A reference or query with the methods of the older SDKs. */
  const old = (native) => ({
    key: native.key ?? native.ref?.key,
    child: (path) => old(db.child(native, path)),
    set: (value) => db.set(native, value),
    setWithPriority: (value, priority) => db.setWithPriority(native, value, priority),
    setPriority: (priority) => db.setPriority(native, priority),
    update: (values) => db.update(native, values),
    remove: () => db.remove(native),
    push: (value) => {
      const pushed = db.push(native, value);
      return { key: pushed.key, then: (...args) => pushed.then(...args) };
    },
    on(event, heard, cancelled) {
      const off = db[LISTEN[event]](native, (snapshot, previous) => heard(plain(snapshot), previous), cancelled);
      return off;
    },
    off: (_event, off) => off(),
    once: (event) =>
      new Promise((done, failed) => {
        db[LISTEN[event]](native, (snapshot) => done(plain(snapshot)), failed, { onlyOnce: true });
      }),
    get: async () => plain(await db.get(native)),
    transaction(update, over, applyLocally) {
      const result = db.runTransaction(native, update, { applyLocally });
      return result.then(({ committed, snapshot }) => over(null, committed, plain(snapshot)), over);
    },
    onDisconnect: () => db.onDisconnect(native),
    ...Object.fromEntries(
      STEPS.map((step) => [step, (...args) => old(db.query(native, db[step](...args)))]),
    ),
  });

  return {
    name,
    features: new Set(['modular', 'get', 'increment', 'startAfter', ...features]),
    connect({ port, ns }) {
      const own = app.initializeApp({ databaseURL: `http://127.0.0.1:${port}?ns=${ns}` }, `app-${apps++}`);
      const database = db.getDatabase(own);
      return new Client(old(db.ref(database)), {
        timestamp: db.serverTimestamp(),
        increment: (by) => db.increment(by),
        goOffline: () => db.goOffline(database),
        goOnline: () => db.goOnline(database),
        close: () => app.deleteApp(own),
      });
    },
  };
}

const STEPS = [
  'orderByKey', 'orderByValue', 'orderByPriority', 'orderByChild', 'startAt', 'startAfter', 'endAt', 'endBefore',
  'equalTo', 'limitToFirst', 'limitToLast',
];
