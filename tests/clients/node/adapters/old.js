// The SDKs before 2.0 (1.1.3, 0.5.4): callbacks only, `name()` for the key, one order (by priority), `limit()`.

import { Client } from './namespaced.js';

/** Calls `act(callback)` and gives a promise of what the callback is told. */
const promised = (act) => new Promise((done, failed) => act((error) => (error ? failed(error) : done())));

const snapshotOf = (native) => ({
  key: native.name(),
  val: () => native.val(),
  exportVal: () => native.exportVal(),
  getPriority: () => native.getPriority(),
  forEach: (each) => native.forEach((child) => void each(snapshotOf(child))),
});

/** A reference or query with the methods of 2.4.2. */
const placeOf = (native) => ({
  key: native.name?.() ?? null,
  child: (path) => placeOf(native.child(path)),
  set: (value) => promised((over) => native.set(value, over)),
  setWithPriority: (value, priority) => promised((over) => native.setWithPriority(value, priority, over)),
  setPriority: (priority) => promised((over) => native.setPriority(priority, over)),
  update: (values) => promised((over) => native.update(values, over)),
  remove: () => promised((over) => native.remove(over)),
  push(value) {
    let key;
    const stored = promised((over) => (key = native.push(value, over).name()));
    return { key, then: (...args) => stored.then(...args) };
  },
  orderByPriority: () => placeOf(native),
  limitToLast: (count) => placeOf(native.limit(count)),
  limit: (count) => placeOf(native.limit(count)),
  startAt: (...args) => placeOf(native.startAt(...args)),
  endAt: (...args) => placeOf(native.endAt(...args)),
  on(event, heard, cancelled) {
    const callback = (snapshot, previous) => heard(snapshotOf(snapshot), previous);
    native.on(event, callback, cancelled);
    return callback;
  },
  off: (event, callback) => native.off(event, callback),
  once: (event) => new Promise((done, failed) => native.once(event, (snapshot) => done(snapshotOf(snapshot)), failed)),
  transaction(update, over, applyLocally) {
    const told = (error, committed, snapshot) => over(error, committed, snapshot && snapshotOf(snapshot));
    native.transaction(update, told, applyLocally);
  },
  onDisconnect() {
    const armed = native.onDisconnect();
    return {
      set: (value) => promised((over) => armed.set(value, over)),
      setWithPriority: (value, priority) => promised((over) => armed.setWithPriority(value, priority, over)),
      update: (values) => promised((over) => armed.update(values, over)),
      remove: () => promised((over) => armed.remove(over)),
      cancel: () => promised((over) => armed.cancel(over)),
    };
  },
});

/** 0.5.4 can go offline as well, but not by a name of the constructor. */
const oldest = (context) => ({ goOffline: () => context.interrupt(), goOnline: () => context.resume() });

/** `fresh` gives a new copy of the SDK: the constructor `Firebase`. */
export function old(name, fresh, features = []) {
  return {
    name,
    features: new Set(['legacy', 'before 2.0', ...features]),
    async connect({ port, ns }) {
      const Firebase = await fresh();
      const { goOffline, goOnline } = Firebase.goOffline ? Firebase : oldest(Firebase.Context.Ad());
      return new Client(placeOf(new Firebase(`http://${ns}.rtdb.localhost:${port}`)), {
        timestamp: { '.sv': 'timestamp' },
        goOffline,
        goOnline,
        close: goOffline,
      });
    },
  };
}
