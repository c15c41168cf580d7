// Firebase: a reference to one place of a database. Plain and extensible: pages hang properties of their own on it.

import { type Json, setOwn } from '../core/json.ts';
import type { Priority } from '../core/order.ts';
import { parsePath, wirePath } from '../core/path.ts';
import {
  argument,
  checkFunction,
  checkPath,
  checkPriority,
  checkWritable,
  cleanData,
  cleanUpdate,
} from '../core/validate.ts';
import type { AuthData, OnAuth, OnCancel, TokenSource } from './auth.ts';
import type { OnComplete } from './callbacks.ts';
import { Database } from './database.ts';
import { parseLocation } from './location.ts';
import { OnDisconnect } from './on-disconnect.ts';
import { Place } from './place.ts';
import { prioritized } from './priority.ts';
import { Query } from './query.ts';
import type { OnTransaction, TransactionResult } from './transaction.ts';

export type OnSignedIn = (error: Error | null, data?: AuthData) => void;

/** What `push` gives: the new place at once, and a promise of the write. */
export type PushReference = Firebase & PromiseLike<Firebase> & { catch: Promise<Firebase>['catch'] };

export class Firebase extends Query {
  /** Origin of the server to which `*.firebaseio.com` names and relative URLs lead, e.g. `http://my-host:9000`. */
  static server: string | null = null;

  static readonly ServerValue = {
    /** The time of the write, in ms, by the server's clock. */
    TIMESTAMP: { '.sv': 'timestamp' },
    /** Adds to the number that is there. */
    increment: (delta: number): { '.sv': { increment: number } } => ({ '.sv': { increment: delta } }),
  } as const;

  static readonly SDK_VERSION = 'beaconfire-0.1.0';

  /** Ends all sessions; their onDisconnect writes run. Nothing connects until `goOnline`. */
  static goOffline(): void {
    Database.setOnline(false);
  }

  static goOnline(): void {
    Database.setOnline(true);
  }

  /** @throws if `url` is no URL, or its path holds what no path may hold. */
  constructor(url: string | Place) {
    super(url instanceof Place ? url : placeOf(url));
  }

  /** The last key of the path; `null` at the root. */
  key(): string | null {
    return this._at.path.at(-1) ?? null;
  }

  /** The old name of `key`. */
  name(): string | null {
    return this._at.path.at(-1) ?? null;
  }

  child(path: string | number): Firebase {
    const isRoot = this._at.path.length === 0;
    return this._at.below(checkPath('Firebase.child', typeof path === 'number' ? String(path) : path, isRoot));
  }

  /** `null` at the root. */
  parent(): Firebase | null {
    const { path } = this._at;
    return path.length === 0 ? null : this._at.at(path.slice(0, -1));
  }

  root(): Firebase {
    return this._at.at([]);
  }

  /** Replaces the data here. */
  set(value: unknown, onComplete?: OnComplete | null): Promise<void> {
    const data = this.#clean('Firebase.set', value);
    checkFunction('Firebase.set', 2, onComplete);
    return this.#write(data, onComplete);
  }

  setWithPriority(value: unknown, priority: Priority, onComplete?: OnComplete | null): Promise<void> {
    const data = this.#clean('Firebase.setWithPriority', value);
    checkPriority('Firebase.setWithPriority', 2, priority);
    checkFunction('Firebase.setWithPriority', 3, onComplete);
    return this.#write(prioritized(data, priority), onComplete);
  }

  setPriority(priority: Priority, onComplete?: OnComplete | null): Promise<void> {
    const { path, database } = this._at;
    checkWritable('Firebase.setPriority', path);
    checkPriority('Firebase.setPriority', 1, priority);
    checkFunction('Firebase.setPriority', 2, onComplete);
    const place = [...path, '.priority'];
    return database.write({ set: wirePath(place), data: priority }, [[place, priority]], onComplete);
  }

  /** Replaces the named children; names may be paths. All or none, and one event. */
  update(values: object, onComplete?: OnComplete | null): Promise<void> {
    const { path, database } = this._at;
    checkWritable('Firebase.update', path);
    const data = cleanUpdate('Firebase.update', values, path);
    checkFunction('Firebase.update', 2, onComplete);
    if (data.size === 0) {
      onComplete?.(null);
      return Promise.resolve();
    }
    const body: Json = {};
    for (const [place, value] of data) setOwn(body, place, value);
    const places = [...data].map(([place, value]): [string[], Json] => [[...path, ...parsePath(place)], value]);
    return database.write({ update: wirePath(path), data: body }, places, onComplete);
  }

  remove(onComplete?: OnComplete | null): Promise<void> {
    checkWritable('Firebase.remove', this._at.path);
    checkFunction('Firebase.remove', 1, onComplete);
    return this.#write(null, onComplete);
  }

  /** A new child whose key sorts after all made before. With a value it is written; the promise in it follows the write. */
  push(value?: unknown, onComplete?: OnComplete | null): PushReference {
    const hasValue = value !== undefined && value !== null;
    checkWritable('Firebase.push', this._at.path);
    checkFunction('Firebase.push', 2, onComplete);
    const data = hasValue ? this.#clean('Firebase.push', value) : null;
    const plain = this._at.below([this._at.database.pushId()]);
    // The promise gives a plain reference: one with `then` would be asked for its promise again, for ever.
    const written = hasValue ? plain.#write(data, onComplete).then(() => plain) : Promise.resolve(plain);
    written.catch(() => {});
    return Object.assign(this._at.at(plain._at.path), {
      // biome-ignore lint/suspicious/noThenProperty: a push can be awaited, as in the 2.4 SDK.
      then: written.then.bind(written),
      catch: written.catch.bind(written),
    }) as PushReference;
  }

  /**
   * Writes what `update` makes of the data here, again and again until nobody else wrote in between (25 attempts).
   * `update` may be called several times, first with what is known here; it returns `undefined` to give up.
   * With `applyLocally` of `false` listeners see only the outcome.
   */
  transaction(
    update: (value: Json) => unknown,
    onComplete?: OnTransaction | null,
    applyLocally?: boolean,
  ): Promise<TransactionResult> {
    checkWritable('Firebase.transaction', this._at.path);
    checkFunction('Firebase.transaction', 1, update, false);
    checkFunction('Firebase.transaction', 2, onComplete);
    if (applyLocally !== undefined && typeof applyLocally !== 'boolean') {
      throw new Error(`${argument('Firebase.transaction', 3)}must be a boolean.`);
    }
    return this._at.database.transactions.run(this._at, update, onComplete, applyLocally);
  }

  /** Writes that the server does when this client's session ends, however it ends. */
  onDisconnect(): OnDisconnect {
    checkWritable('Firebase.onDisconnect', this._at.path);
    return new OnDisconnect(this._at);
  }

  /**
   * From now on asks as the user of this token, in all references to this database. A function is asked for a token now,
   * before it ends and after the server refuses one.
   */
  authWithCustomToken(token: TokenSource, onComplete?: OnSignedIn | null): Promise<AuthData> {
    return this.#signIn('Firebase.authWithCustomToken', token, onComplete);
  }

  /** The old name of `authWithCustomToken`; also for database secrets. `onCancel` learns when the token ends. */
  auth(token: TokenSource, onComplete?: OnSignedIn | null, onCancel?: OnCancel | null): Promise<AuthData> {
    return this.#signIn('Firebase.auth', token, onComplete, onCancel);
  }

  /** From now on asks as nobody. */
  unauth(): void {
    this._at.database.auth.signOut();
  }

  /** Tells who is signed in, now and at each change; `null` if nobody is. */
  onAuth(callback: OnAuth, context?: object | null): void {
    checkFunction('Firebase.onAuth', 1, callback, false);
    this._at.database.auth.on(callback, context);
  }

  offAuth(callback: OnAuth, context?: object | null): void {
    checkFunction('Firebase.offAuth', 1, callback, false);
    this._at.database.auth.off(callback, context);
  }

  getAuth(): AuthData | null {
    return this._at.database.auth.data;
  }

  goOffline(): void {
    Firebase.goOffline();
  }

  goOnline(): void {
    Firebase.goOnline();
  }

  #signIn(
    method: string,
    token: TokenSource,
    onComplete?: OnSignedIn | null,
    onCancel?: OnCancel | null,
  ): Promise<AuthData> {
    if (typeof token !== 'string') checkFunction(method, 1, token, false);
    checkFunction(method, 2, onComplete);
    checkFunction(method, 3, onCancel);
    const signedIn = this._at.database.auth.signIn(token, onCancel);
    if (onComplete) void signedIn.then((data) => onComplete(null, data), onComplete);
    return signedIn;
  }

  #clean(method: string, value: unknown): Json {
    checkWritable(method, this._at.path);
    return cleanData(argument(method, 1), value, this._at.path);
  }

  #write(data: Json, onComplete?: OnComplete | null): Promise<void> {
    const { path, database } = this._at;
    return database.write({ set: wirePath(path), data }, [[path, data]], onComplete);
  }
}

function placeOf(url: unknown): Place {
  const location = parseLocation(url, Firebase.server);
  return new Place(Database.at(location.origin, location.ns), location, (place) => new Firebase(place));
}
