// One database as the application uses it: the local truth (`Sync`) and the session that keeps it true, joined.
//
// Opened at the first need, once per origin and name, and shared by all references.

import { fromJson, type Json } from '../core/json.ts';
import type { Node } from '../core/node.ts';
import type { Path } from '../core/path.ts';
import { newWrite, type Op } from '../core/pending.ts';
import { pushIds } from '../core/push-id.ts';
import { listenText, type Query, WHOLE } from '../core/query.ts';
import { type Match, Sync } from '../core/sync.ts';
import type { Firing, Registration } from '../core/view.ts';
import type { Reply, Request } from '../transport/outbox.ts';
import { Session, type SessionHost } from '../transport/session.ts';
import { Auth } from './auth.ts';
import { answer, guarded, type OnComplete, serverError } from './callbacks.ts';
import { EventQueue } from './events.ts';
import { Transactions } from './transaction.ts';

export class Database implements SessionHost {
  static readonly #open = new Map<string, Database>();
  static #online = true;

  static at(origin: string, ns: string | null): Database {
    const id = `${origin} ${ns}`;
    const database = Database.#open.get(id) ?? new Database(origin, ns);
    Database.#open.set(id, database);
    return database;
  }

  /** `false` ends the sessions of all databases and keeps them ended; their listeners and unsent writes wait. */
  static setOnline(online: boolean): void {
    Database.#online = online;
    for (const database of Database.#open.values()) database.#connect();
  }

  readonly sync: Sync = new Sync();
  readonly transactions: Transactions = new Transactions(this);
  readonly auth: Auth = new Auth(this);
  readonly #session: Session;
  readonly #events = new EventQueue();
  readonly #nextPushId = pushIds();
  #isNeeded = false;
  #info = { connected: false, serverTimeOffset: 0 };

  private constructor(origin: string, ns: string | null) {
    this.#session = new Session(origin, ns, this);
    this.#inform({});
  }

  /** Server clock in ms, as far as this client can tell. */
  now(): number {
    return Date.now() + this.#info.serverTimeOffset;
  }

  pushId(): string {
    return this.#nextPushId(this.now());
  }

  raise(firings: readonly Firing[]): void {
    this.#events.raise(firings);
  }

  listen(path: Path, query: Query, registration: Registration): void {
    const { firings, opened } = this.sync.listen(path, query, registration);
    if (opened !== null) this.send(listenRequest(opened, this));
    this.#need();
    this.raise(firings);
  }

  unlisten(path: Path, query: Query | null, match: Match): void {
    for (const text of this.sync.unlisten(path, query, match)) {
      this.send({ body: { unlisten: text }, onNewSession: 'drop', settle() {} });
    }
  }

  /** Reads once, behind the writes that were asked for before. */
  get(
    path: Path,
    query: Query,
    give: (found: { node: Node; etag: string }) => void,
    refuse: (error: Error) => void,
  ): void {
    this.send({
      body: { get: listenText(path, query) },
      onNewSession: 'repeat',
      settle: ({ status, data, etag = '', error = status }) => {
        if (status === 'ok') give({ node: fromJson(data), etag });
        else refuse(serverError(error));
      },
    });
  }

  /** Writes: shown at once, sent in order, taken back if refused. `places` are the data of `body` with absolute paths. */
  write(body: object, places: readonly (readonly [Path, Json])[], onComplete?: OnComplete | null): Promise<void> {
    const write = newWrite(this.guess(places));
    const [verb, place] = Object.entries(body)[0]!;
    const done = this.request(body, onComplete, {
      numbered: (n) => {
        write.n = n;
      },
      failed: (error) => {
        console.warn(`FIREBASE WARNING: ${verb} at ${place} failed: ${error}`);
        this.raise(this.sync.revert(write));
      },
    });
    this.transactions.overwritten(places.map(([path]) => path));
    this.raise(this.sync.write(write));
    return done;
  }

  /** Sends a request of which only the end matters. */
  request(
    body: object,
    onComplete?: OnComplete | null,
    hooks: { numbered?: (n: number) => void; failed?: (error: string) => void } = {},
  ): Promise<void> {
    const { promise, resolve, reject } = answer<void>();
    this.send({
      body,
      onNewSession: 'repeat',
      ...(hooks.numbered && { numbered: hooks.numbered }),
      settle: ({ status, error = status }) => {
        const failure = status === 'ok' ? null : serverError(error);
        if (failure) hooks.failed?.(error);
        if (onComplete) guarded(() => onComplete(failure));
        if (failure) reject(failure);
        else resolve();
      },
    });
    return promise;
  }

  /** What the data of a write will be, with server values guessed. */
  guess(places: readonly (readonly [Path, Json])[]): Op[] {
    const now = this.now();
    return places.map(([path, data]): Op => {
      return [path, fromJson(data, { now, existing: () => this.sync.local(path, WHOLE).node })];
    });
  }

  send(request: Request): void {
    this.#session.send(request);
    this.#need();
  }

  reauthenticate(): void {
    this.#session.reauthenticate();
    this.#need();
  }

  greet(fresh: boolean): Request[] {
    const texts = fresh ? this.sync.forgetSession() : this.sync.unsettled();
    return texts.map((text) => listenRequest(text, this));
  }

  opened(serverTime: number, auth: Json, expires?: number): void {
    this.#inform({ connected: true, serverTimeOffset: serverTime - Date.now() });
    this.auth.accepted(auth, expires);
  }

  closed(): void {
    this.#inform({ connected: false });
  }

  heard(event: string, { key, path, data, n, error }: Json): void {
    if (event === 'put') this.raise(this.sync.put(key, path, data));
    else if (event === 'patch') this.raise(this.sync.patch(key, path, data));
    else if (event === 'ack') this.raise(this.sync.ack(n));
    else if (event === 'cancel') this.cancelled(key, error);
  }

  /** The server refuses or ends a listener. */
  cancelled(text: string, error: string): void {
    console.warn(`FIREBASE WARNING: listen at ${text} failed: ${error}`);
    for (const registration of this.sync.cancel(text)) guarded(() => registration.cancel(serverError(error)));
  }

  #inform(news: Partial<{ connected: boolean; serverTimeOffset: number }>): void {
    this.#info = { ...this.#info, ...news };
    this.raise(this.sync.inform(fromJson(this.#info)));
  }

  #need(): void {
    this.#isNeeded = true;
    this.#connect();
  }

  #connect(): void {
    if (!Database.#online) this.#session.stop();
    else if (this.#isNeeded) this.#session.start();
  }
}

function listenRequest(text: string, database: Database): Request {
  return {
    body: { listen: text },
    onNewSession: 'drop',
    settle: ({ status, error = status }: Reply) => {
      if (status !== 'ok') database.cancelled(text, error);
    },
  };
}
