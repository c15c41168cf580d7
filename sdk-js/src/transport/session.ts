// A session with the server, kept alive: one event stream, and POSTs beside it.
//
// The contract is `docs/sessions.md`. Everything that breaks is answered in one way: the stream is opened again, with
// backoff, resuming the session if the server still has it. Requests travel only while the stream is up.

import type { Json } from '../core/json.ts';
import { Backoff } from './backoff.ts';
import { HttpError, post, readEvents } from './http.ts';
import { type Batch, Outbox, type Request } from './outbox.ts';
import { watchPage } from './page.ts';
import type { StreamEvent } from './sse.ts';

/** What the server judges requests by. */
export interface Credential {
  /** The token of now; it may be replaced by another one for the same user. `null`: nobody. */
  readonly token: string | null;
  /** Resolves once there is a token, or none to be had. */
  readonly ready: Promise<unknown>;
  /** Why it is over: nothing is asked by it any more. */
  readonly error: Error | null;
}

/** Who decides as whom the session asks. */
export interface Authority<C extends Credential = Credential> {
  /** That of now. After a change call `Session.reauthenticate`. */
  readonly credential: C;
  /** The server refuses a token of `credential`. Resolves to whether there is another one to try. */
  refused(credential: C, token: string | null, reason: string): Promise<boolean>;
}

/** Whom the session serves. */
export interface SessionHost {
  readonly auth: Authority;
  /** The requests that go before all others: in a fresh session every listener, else those that have no data yet. */
  greet(fresh: boolean): Request[];
  /** `auth` and `expires`: what the server makes of the token. */
  opened(serverTime: number, auth: Json, expires?: number): void;
  closed(): void;
  /** Any event but `hello` and `keep-alive`. */
  heard(event: string, data: Json): void;
}

/** The server says something at least every 30 s. */
const SILENCE_MS = 45_000;
/** A connection that has lasted so long was a good one. */
const GOOD_MS = 10_000;
/** How long the end of a session waits for its last requests. */
const FAREWELL_MS = 5_000;

export class Session {
  readonly #outbox = new Outbox();
  readonly #backoff = new Backoff();
  readonly #url: string;
  readonly #ns: string;
  readonly #host: SessionHost;
  #id: string | null = null;
  #position = '';
  /** Aborts the stream of now; `null` while the session is stopped. */
  #stream: AbortController | null = null;
  #isUp = false;
  /** Aborts the POSTs of this connection. */
  #posts: AbortController | null = null;
  /** The POST under way, and what comes after it. */
  #draining: Promise<void> | null = null;
  /** The end of the session before: a new one begins after it, so that the server sees them in this order. */
  #farewell: Promise<void> = Promise.resolve();
  #warned = '';
  /** The stream is opened anew under another token: that is no interruption. */
  #isChanging = false;

  /** `ns` of `null`: the server decides by its host name. Nothing happens before `start`. */
  constructor(origin: string, ns: string | null, host: SessionHost) {
    this.#url = `${origin}/.beaconfire/sessions`;
    this.#ns = ns === null ? '' : `ns=${encodeURIComponent(ns)}`;
    this.#host = host;
    let wasRunning = false;
    watchPage({
      online: () => this.#reconnect(),
      visible: () => this.#backoff.hurry(),
      leave: () => {
        wasRunning = this.#stream !== null;
        this.#leave();
      },
      back: () => wasRunning && this.start(),
    });
  }

  /** Connects, and stays connected until `stop`. */
  start(): void {
    if (this.#stream === null) void this.#run();
  }

  /** Ends the session: the server runs its onDisconnect writes. What is not answered waits for the next `start`. */
  stop(): void {
    const [id, posts] = [this.#id, this.#posts];
    this.#end();
    if (id === null) return;
    this.#outbox.seal();
    AbortSignal.timeout(FAREWELL_MS).addEventListener('abort', () => posts?.abort());
    this.#farewell = Promise.resolve(this.#draining)
      .then(() => this.#sayGoodbye(id))
      .catch(() => {});
  }

  /** What the program asked for before `stop` still goes out, as it would on a socket. */
  async #sayGoodbye(id: string): Promise<void> {
    const signal = AbortSignal.timeout(FAREWELL_MS);
    for (let batch = this.#outbox.batch(); batch !== null; batch = this.#outbox.batch()) {
      await batch.credential.ready;
      this.#outbox.answered(batch, JSON.parse(await post(this.#to(`/${id}`, batch), batch.text, signal)).replies);
    }
    await post(this.#to(`/${id}/close`), '', signal);
  }

  /** The host's credential has changed: listeners are judged by it from now on, and else undisturbed. */
  reauthenticate(): void {
    this.#isChanging = this.#isUp;
    this.#reconnect();
  }

  /** Queues a request. Those of one turn of the program leave together. */
  send(request: Request): void {
    request.credential = this.#host.auth.credential;
    this.#outbox.add(request);
    this.#drain();
  }

  /** As `stop`, for a page that is about to be gone: the browser is handed the end, and what has not arrived yet. */
  #leave(): void {
    const id = this.#id;
    if (id !== null) {
      const batch = this.#outbox.batch();
      globalThis.navigator?.sendBeacon?.(this.#to(`/${id}/close`, batch), batch?.text ?? '');
    }
    this.#end();
    this.#posts?.abort();
  }

  #end(): void {
    this.#id = null;
    const stream = this.#stream;
    this.#stream = null;
    stream?.abort();
    this.#backoff.hurry();
    this.#down();
  }

  /** Opens the stream again and again, until the session is stopped. */
  async #run(): Promise<void> {
    let stream = new AbortController();
    this.#stream = stream;
    await this.#farewell;
    while (this.#stream === stream) {
      stream = new AbortController();
      this.#stream = stream;
      const { credential } = this.#host.auth;
      await credential.ready;
      if (this.#stream !== stream) return;
      if (credential !== this.#host.auth.credential) continue;
      const { token } = credential;
      const [since, id] = [Date.now(), this.#id];
      const url =
        id === null ? this.#to('') : this.#to(`/${id}`, null, `lastEventId=${encodeURIComponent(this.#position)}`);
      const error = await readEvents(url, stream, SILENCE_MS, (event) => this.#heard(event)).catch((error) => error);
      if (this.#stream !== stream) return;
      if (!this.#isChanging) this.#down();
      this.#isChanging = false;
      if (error?.status === 401 && (await this.#host.auth.refused(credential, token, error.reason))) continue;
      if (id !== null && error?.status === 404) {
        this.#id = null;
        continue;
      }
      this.#warn(error);
      if (Date.now() - since > GOOD_MS) this.#backoff.reset();
      await this.#backoff.pause();
    }
  }

  #heard({ event, data, id }: StreamEvent): void {
    if (event === 'hello') this.#hello(JSON.parse(data));
    else if (event === 'auth_revoked') throw new HttpError(401, data);
    else if (event !== 'keep-alive') this.#host.heard(event, JSON.parse(data));
    if (id !== undefined) this.#position = id;
  }

  #hello({ session, time, resumed, auth, expires }: Json): void {
    // What hangs on a connection from before is sent again: the server knows it by its numbers.
    this.#posts?.abort();
    this.#posts = new AbortController();
    this.#draining = null;
    const fresh = !resumed || session !== this.#id;
    this.#id = session;
    const first = this.#host.greet(fresh);
    for (const request of first) request.credential = this.#host.auth.credential;
    if (fresh) this.#outbox.restart(first);
    else for (const request of first) this.#outbox.add(request);
    this.#isUp = true;
    this.#host.opened(time, auth, expires);
    this.#drain();
  }

  #down(): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    if (wasUp) this.#host.closed();
  }

  #reconnect(): void {
    this.#backoff.hurry();
    this.#stream?.abort();
  }

  #drain(): void {
    if (this.#isUp && this.#posts !== null && this.#draining === null) this.#draining = this.#sendAll(this.#posts);
  }

  /** Sends batch after batch, until nothing waits. */
  async #sendAll(posts: AbortController): Promise<void> {
    await null; // what the program still asks for in this turn shall be in the same batch
    while (this.#isUp && this.#posts === posts) {
      const batch = this.#outbox.batch();
      if (batch === null) break;
      await this.#exchange(batch, posts.signal);
    }
    // In the same turn as the last look into the outbox: what is added later begins a new round.
    if (this.#posts === posts) this.#draining = null;
  }

  async #exchange(batch: Batch, signal: AbortSignal): Promise<void> {
    const { credential } = batch;
    await credential.ready;
    const { token, error } = credential;
    if (signal.aborted) return;
    if (error) {
      this.#outbox.refused(batch, error.message);
      return;
    }
    try {
      const answer = await post(this.#to(`/${this.#id}`, batch), batch.text, signal);
      this.#outbox.answered(batch, JSON.parse(answer).replies);
    } catch (error) {
      if (signal.aborted) return;
      const { status = 0, reason = '' } = error instanceof HttpError ? error : {};
      if (status === 401 && (await this.#host.auth.refused(credential, token, reason))) return;
      if (status >= 400 && status < 500 && status !== 404) {
        this.#outbox.refused(batch, (error as Error).message);
        return;
      }
      // The loop of `#run` goes on, after a pause as long as the failures so far demand.
      if (status === 404) this.#id = null;
      this.#down();
      this.#stream?.abort();
    }
  }

  #warn(error: unknown): void {
    if (!(error instanceof HttpError) || error.message === this.#warned) return;
    this.#warned = error.message;
    console.warn(`FIREBASE WARNING: cannot connect to ${this.#url}: ${error.message}`);
  }

  #to(path: string, batch?: Batch | null, parameter = ''): string {
    const { token } = batch?.credential ?? this.#host.auth.credential;
    const auth = token === null ? '' : `auth=${encodeURIComponent(token)}`;
    const query = [this.#ns, auth, parameter].filter((part) => part !== '').join('&');
    return `${this.#url}${path}${query && `?${query}`}`;
  }
}
