// Requests on their way: in order, numbered when they leave, in batches of which one is under way at a time.

import type { Json } from '../core/json.ts';
import type { Credential } from './session.ts';

export interface Reply {
  readonly n?: number;
  readonly status: 'ok' | 'stale' | 'error';
  readonly data?: Json;
  readonly etag?: string;
  readonly error?: string;
}

export interface Request {
  /** The request as `docs/sessions.md` has it, without `n`. */
  readonly body: object;
  /**
   * What a new session does with it. `repeat`: sends it again if it was not answered. `drop`: forgets it, because it
   * concerned the old session. `fail`: fails it if it was under way, because nobody knows whether it was done.
   */
  readonly onNewSession: 'repeat' | 'drop' | 'fail';
  /** As whom it was asked for. The session sets it. */
  credential?: Credential;
  /** Told the number under which it leaves; infinity when it has to leave once more. */
  numbered?(n: number): void;
  settle(reply: Reply): void;
}

/** What leaves together: for one user. */
export interface Batch {
  readonly requests: Map<number, Request>;
  readonly text: string;
  readonly credential: Credential;
}

/** Enough for any burst of small writes; a single larger request travels alone. */
const BATCH_CHARS_MAX = 256 * 1024;
const BATCH_REQUESTS_MAX = 1000;

export class Outbox {
  #queue: Request[] = [];
  #underWay: Batch | null = null;
  /** Rises for good, also over sessions: a write of an old session is then older than all that is sent in a new one. */
  #n = 0;
  /** How many of the queue may still leave. */
  #allowed = Number.POSITIVE_INFINITY;

  /** What is added from now on waits for `restart`. */
  seal(): void {
    this.#allowed = this.#queue.length;
  }

  add(request: Request): void {
    this.#queue.push(request);
  }

  /** The batch to send now: the unanswered one once more, letter for letter, or the next; `null` if there is nothing. */
  batch(): Batch | null {
    if (this.#underWay === null && Math.min(this.#queue.length, this.#allowed) > 0) this.#underWay = this.#take();
    return this.#underWay;
  }

  #take(): Batch {
    const credential = this.#queue[0]!.credential!;
    const requests = new Map<number, Request>();
    const texts: string[] = [];
    let chars = 0;
    for (const request of this.#queue.slice(0, Math.min(BATCH_REQUESTS_MAX, this.#allowed))) {
      if (request.credential !== credential) break;
      const text = JSON.stringify({ n: this.#n + 1, ...request.body });
      chars += text.length;
      if (texts.length > 0 && chars > BATCH_CHARS_MAX) break;
      this.#n += 1;
      request.numbered?.(this.#n);
      requests.set(this.#n, request);
      texts.push(text);
    }
    this.#queue.splice(0, texts.length);
    this.#allowed -= texts.length;
    return { requests, text: `[${texts.join()}]`, credential };
  }

  /** The answer to `batch`. One that comes too late, after `restart`, is ignored. */
  answered(batch: Batch, replies: readonly Reply[]): void {
    const requests = this.#finish(batch);
    const byNumber = new Map(replies.map((reply) => [reply.n, reply]));
    for (const [n, request] of requests) request.settle(byNumber.get(n) ?? { status: 'error', error: 'no reply' });
  }

  /** The server will not have `batch`, and would not have it a second time. */
  refused(batch: Batch, error: string): void {
    for (const request of this.#finish(batch).values()) request.settle({ status: 'error', error });
  }

  #finish(batch: Batch): Map<number, Request> {
    if (this.#underWay !== batch) return new Map();
    this.#underWay = null;
    return batch.requests;
  }

  /** A new session: `first` goes before all that still waits. */
  restart(first: readonly Request[]): void {
    this.#allowed = Number.POSITIVE_INFINITY;
    const underWay = [...(this.#underWay?.requests.values() ?? [])];
    this.#underWay = null;
    const doubtful = underWay.filter(({ onNewSession }) => onNewSession === 'fail');
    const waiting = [...underWay.filter((request) => !doubtful.includes(request)), ...this.#queue];
    this.#queue = [...first, ...waiting.filter(({ onNewSession }) => onNewSession !== 'drop')];
    for (const request of waiting) request.numbered?.(Number.POSITIVE_INFINITY);
    for (const request of doubtful) request.settle({ status: 'error', error: 'disconnect' });
  }
}
