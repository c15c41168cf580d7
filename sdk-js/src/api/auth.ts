// Who the application says it is: by a token, or by a function that gives one whenever one is needed.
//
// The server judges tokens. What it makes of one comes with the `hello` of a stream that was opened with it.

import type { Json } from '../core/json.ts';
import type { Authority, Credential } from '../transport/session.ts';
import { type Answer, answer, guarded, serverError } from './callbacks.ts';

/** What the server made of a token. */
export interface AuthData {
  /** `null` for an administrator. */
  readonly uid: string | null;
  readonly provider: string;
  /** `auth` as the rules see it; `null` for an administrator. */
  readonly auth: Json;
  readonly token: string;
  /** Seconds since 1970, by the server's clock; absent if there is no end. */
  readonly expires?: number;
}

/** A token; or what gives one: asked at once, before a token ends and, then with `true`, after one was refused. */
export type TokenSource = string | ((refused: boolean) => string | Promise<string>);
export type OnAuth = (data: AuthData | null) => void;
export type OnCancel = (error: Error) => void;

/** How long before its end a token is replaced; half of its time, if that is less. */
const EARLY_MS = 60_000;
const TIMER_MS_MAX = 2e9;

class Identity implements Credential {
  token: string | null = null;
  ready: Promise<unknown> = Promise.resolve();
  readonly answer: Answer<AuthData> = answer();
  isAccepted = false;
  /** The token stands for a refused one, and has not been accepted yet. */
  isRetry = false;
  renewal: Promise<boolean> | null = null;
  error: Error | null = null;

  constructor(
    readonly source: TokenSource | null,
    readonly onCancel?: OnCancel | null,
  ) {}
}

/** The database that is asked. */
export interface AuthHost {
  /** The server's clock in ms. */
  now(): number;
  /** Opens the stream anew, with the token of now. */
  reauthenticate(): void;
}

export class Auth implements Authority<Identity> {
  credential: Identity = new Identity(null);
  data: AuthData | null = null;
  #listeners: (readonly [OnAuth, unknown])[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly host: AuthHost) {}

  /** What is asked for from now on is asked as whom `source` says. Resolves once the server has taken it. */
  signIn(source: TokenSource, onCancel?: OnCancel | null): Promise<AuthData> {
    const identity = new Identity(source, onCancel);
    this.#become(identity);
    identity.ready = this.#ask(identity, false);
    return identity.answer.promise;
  }

  signOut(): void {
    if (this.credential.source === null) return;
    this.#become(new Identity(null));
    this.#tell(null);
  }

  on(callback: OnAuth, context: unknown): void {
    this.#listeners.push([callback, context]);
    guarded(() => callback.call(context, this.data));
  }

  off(callback: OnAuth, context: unknown): void {
    this.#listeners = this.#listeners.filter(([one, its]) => one !== callback || (context && its !== context));
  }

  /** A stream is up that was opened with the token of now. */
  accepted(auth: Json, expires?: number): void {
    const identity = this.credential;
    const { token, isAccepted } = identity;
    if (token === null) return;
    identity.isAccepted = true;
    identity.isRetry = false;
    const { uid = null, provider = 'custom' } = auth ?? {};
    const data = { uid, provider, auth: auth ?? null, token, ...(expires && { expires }) };
    identity.answer.resolve(data);
    if (isAccepted && uid === this.data?.uid) this.data = data;
    else this.#tell(data);
    clearTimeout(this.#timer);
    const left = (expires ?? 0) * 1000 - this.host.now();
    if (left <= 0) return;
    this.#timer = setTimeout(
      () => this.#renew(identity, false),
      Math.min(Math.max(left - EARLY_MS, left / 2), TIMER_MS_MAX),
    );
    (this.#timer as { unref?(): void }).unref?.(); // a Node program may end meanwhile
  }

  /** The server does not, or no longer, take `token`. Resolves to whether there is another one now. */
  refused(identity: Identity, token: string | null, reason: string): Promise<boolean> {
    if (token !== identity.token) return Promise.resolve(true);
    identity.renewal ??= this.#retry(identity, reason).finally(() => {
      identity.renewal = null;
    });
    return identity.renewal;
  }

  async #retry(identity: Identity, reason: string): Promise<boolean> {
    if (identity.token === null) return false;
    const isFirst = !identity.isRetry;
    identity.isRetry = true;
    if (isFirst && (await this.#renew(identity, true))) return true;
    this.#end(identity, serverError(reason));
    return false;
  }

  /**
   * Asks for a token, and resolves to whether there is a new one. What fails before there was one is over; later the old
   * one may still serve for a while.
   */
  async #ask(identity: Identity, refused: boolean): Promise<boolean> {
    const { source, token } = identity;
    try {
      identity.token = typeof source === 'function' ? await Promise.resolve(refused).then(source) : source;
      return identity.token !== token;
    } catch (error) {
      if (token === null) this.#end(identity, error as Error);
      else console.warn(`FIREBASE WARNING: no new token: ${error}`);
      return false;
    }
  }

  async #renew(identity: Identity, refused: boolean): Promise<boolean> {
    const isNew = await this.#ask(identity, refused);
    if (isNew && identity === this.credential) this.host.reauthenticate();
    return isNew;
  }

  #end(identity: Identity, error: Error): void {
    identity.answer.reject(error);
    identity.error = error;
    const { isAccepted, onCancel } = identity;
    if (isAccepted && onCancel) guarded(() => onCancel(error));
    if (identity === this.credential) this.signOut();
  }

  #become(identity: Identity): void {
    this.credential.answer.reject(new Error('auth was called again'));
    this.credential = identity;
    clearTimeout(this.#timer);
    this.host.reauthenticate();
  }

  #tell(data: AuthData | null): void {
    if (data === this.data) return;
    this.data = data;
    for (const [callback, context] of [...this.#listeners]) guarded(() => callback.call(context, data));
  }
}
