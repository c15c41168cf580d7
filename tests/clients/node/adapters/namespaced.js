// The namespaced SDKs (2.4.2 to 8, and firebase-admin) behind the small API that all scenarios use. Only names are
// unified here; nothing is added to what the SDK does.

/** What a snapshot shows. */
export class Seen {
  #snapshot;
  constructor(snapshot) {
    this.#snapshot = snapshot;
  }
  get key() {
    const { key } = this.#snapshot; // a method up to 2.4.2
    return typeof key === 'function' ? key.call(this.#snapshot) : key;
  }
  get value() {
    return this.#snapshot.val();
  }
  get export() {
    return this.#snapshot.exportVal();
  }
  get priority() {
    return this.#snapshot.getPriority();
  }
  /** The keys of the children in the order in which `forEach` gives them. */
  get order() {
    const keys = [];
    this.#snapshot.forEach((child) => void keys.push(new Seen(child).key));
    return keys;
  }
}

/** A place or a query. All writes give promises. */
class Place {
  #native;
  constructor(native) {
    this.#native = native;
  }
  get key() {
    return new Seen(this.#native).key;
  }
  child(path) {
    return new Place(this.#native.child(path));
  }
  set(value) {
    return this.#native.set(value);
  }
  setWithPriority(value, priority) {
    return this.#native.setWithPriority(value, priority);
  }
  setPriority(priority) {
    return this.#native.setPriority(priority);
  }
  update(values) {
    return this.#native.update(values);
  }
  remove() {
    return this.#native.remove();
  }
  /** Pushes `value`: its key at once, and `stored` when the server has it. */
  push(value) {
    const pushed = this.#native.push(value);
    return { key: new Place(pushed).key, stored: Promise.resolve(pushed.then(() => {})) };
  }
  /** `steps` as in the model: `[['orderByChild', 'n'], ['limitToLast', 2]]`. */
  query(steps) {
    return new Place(steps.reduce((query, [step, ...args]) => query[step](...args), this.#native));
  }
  /** Calls `heard(seen, previous key)` for each event; gives a function that ends it. */
  on(event, heard, cancelled = () => {}) {
    const told = (snapshot, previous) => heard(new Seen(snapshot), previous ?? null);
    const callback = this.#native.on(event, told, cancelled);
    return () => this.#native.off(event, callback);
  }
  async once(event = 'value') {
    return new Seen(await this.#native.once(event));
  }
  async get() {
    return new Seen(await this.#native.get());
  }
  transaction(update, applyLocally = true) {
    return new Promise((done, failed) => {
      const over = (error, committed, snapshot) =>
        error ? failed(error) : done({ committed, value: snapshot.val(), export: snapshot.exportVal() });
      // The promise of the SDK is not looked at: old ones have none that is right.
      this.#native.transaction(update, over, applyLocally)?.catch?.(() => {});
    });
  }
  /** set, update, remove, cancel, setWithPriority, as the SDKs have them. */
  onDisconnect() {
    return this.#native.onDisconnect();
  }
}

/** One connection of its own. `place('')` is the root, `place('.info/connected')` the SDK's own data. */
export class Client {
  #root;
  #acts;
  constructor(root, acts) {
    this.#root = root;
    this.#acts = acts;
  }
  place(path) {
    return new Place(path ? this.#root.child(path) : this.#root);
  }
  get timestamp() {
    return this.#acts.timestamp;
  }
  increment(by) {
    return this.#acts.increment(by);
  }
  goOffline() {
    this.#acts.goOffline();
  }
  goOnline() {
    this.#acts.goOnline();
  }
  async close() {
    await this.#acts.close();
  }
}

let apps = 0;

/** An SDK of the generations 3 to 8, or firebase-admin. `features` names what scenarios may ask of it. */
export function namespaced(name, firebase, features) {
  return {
    name,
    features: new Set(features),
    connect({ port, ns }) {
      const app = firebase.initializeApp({ databaseURL: `http://127.0.0.1:${port}?ns=${ns}` }, `app-${apps++}`);
      const database = app.database();
      const { ServerValue } = firebase.database;
      return new Client(database.ref(), {
        timestamp: ServerValue.TIMESTAMP,
        increment: (by) => ServerValue.increment(by),
        goOffline: () => database.goOffline(),
        goOnline: () => database.goOnline(),
        close: () => app.delete(),
      });
    },
  };
}
