// Transactions: read, compute, write if nobody else wrote in between, else once more.
//
// Transactions on related places take turns; the others of this client are shown meanwhile as if they had happened.

import { fromJson, type Json, toValue } from '../core/json.ts';
import type { Node } from '../core/node.ts';
import { type Path, related, wirePath } from '../core/path.ts';
import { newWrite, type Op, type Write } from '../core/pending.ts';
import { WHOLE } from '../core/query.ts';
import { cleanData } from '../core/validate.ts';
import type { Reply } from '../transport/outbox.ts';
import { type Answer, answer, guarded } from './callbacks.ts';
import type { Database } from './database.ts';
import type { Place } from './place.ts';
import { prioritized } from './priority.ts';
import { DataSnapshot } from './snapshot.ts';

export interface TransactionResult {
  /** `false` if the update function gave up. */
  readonly committed: boolean;
  readonly snapshot: DataSnapshot;
}

export type OnTransaction = (error: Error | null, committed: boolean, snapshot: DataSnapshot | null) => void;

type Update = (value: Json) => unknown;

const ATTEMPTS_MAX = 25;

/** The transactions of one database, in the order of their calls. */
export class Transactions {
  readonly #database: Database;
  #waiting: Transaction[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  run(place: Place, update: Update, onComplete?: OnTransaction | null, visible = true): Promise<TransactionResult> {
    const transaction = new Transaction(this.#database, place, update, onComplete ?? null, visible, () => {
      this.#waiting = this.#waiting.filter((other) => other !== transaction);
      this.#advance();
    });
    this.#waiting.push(transaction);
    try {
      transaction.guess();
    } catch (error) {
      this.#waiting.pop();
      throw error;
    }
    this.#advance();
    return transaction.result.promise;
  }

  /** The application has written itself: what it computed from the data before is void. */
  overwritten(paths: readonly Path[]): void {
    for (const transaction of [...this.#waiting]) {
      if (paths.some((path) => related(path, transaction.path))) transaction.fail(new Error('set'));
    }
  }

  #advance(): void {
    this.#waiting.forEach((transaction, i) => {
      const isFree = !this.#waiting.slice(0, i).some(({ path }) => related(path, transaction.path));
      if (isFree) transaction.begin();
    });
  }
}

class Transaction {
  readonly result: Answer<TransactionResult> = answer();
  readonly #write: Write;
  /** What the update function last saw, and what it made of it for the wire. */
  #base: Node | null = null;
  #data: Json = null;
  #attempts = 0;
  #state: 'waiting' | 'running' | 'over' = 'waiting';

  constructor(
    readonly database: Database,
    readonly place: Place,
    readonly update: Update,
    readonly onComplete: OnTransaction | null,
    visible: boolean,
    readonly onEnd: () => void,
  ) {
    this.#write = newWrite([], visible);
  }

  get path(): Path {
    return this.place.path;
  }

  /** A first run on what is known here, so that listeners see the outcome at once. */
  guess(): void {
    const { node, complete } = this.database.sync.local(this.path, WHOLE);
    if (complete) this.#compute(node);
  }

  begin(): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'running';
    this.database.get(
      this.path,
      WHOLE,
      ({ node, etag }) => this.#attempt(node, etag),
      (error) => this.fail(error),
    );
  }

  fail(error: Error): void {
    this.#end(error, false, null);
  }

  #attempt(node: Node, etag: string): void {
    if (this.#state === 'over') return;
    if (this.#attempts === ATTEMPTS_MAX) {
      this.fail(new Error('maxretry'));
      return;
    }
    this.#attempts += 1;
    try {
      if (this.#base === null || !this.#base.equals(node)) this.#compute(node);
    } catch (error) {
      this.fail(error as Error);
    }
    if (!this.#isOver()) this.#send(etag);
  }

  #send(etag: string): void {
    this.database.send({
      body: { set: wirePath(this.path), data: this.#data, ifMatch: etag },
      onNewSession: 'fail',
      numbered: (n) => {
        this.#write.n = n;
      },
      settle: (reply) => this.#answered(reply),
    });
  }

  #answered({ status, data, etag = '', error = status }: Reply): void {
    if (this.#state === 'over') return;
    if (status === 'stale') {
      this.#write.n = Number.POSITIVE_INFINITY;
      this.#attempt(fromJson(data), etag);
    } else if (status === 'error') this.fail(new Error(error));
    else this.#end(null, true, this.#write.ops[0]![1]);
  }

  /** Runs the update function, and shows what it gives; ends the transaction if it gives nothing. */
  #compute(node: Node): void {
    this.#base = node;
    const returned = this.update(toValue(node));
    if (returned === undefined) this.#end(null, false, node);
    if (this.#isOver()) return;
    const data = cleanData('transaction failed: Data returned ', returned, this.path);
    const hasPriority = typeof data === 'object' && data !== null && Object.hasOwn(data, '.priority');
    this.#data = hasPriority || node.priority === null ? data : prioritized(data, node.priority);
    const ops: Op[] = [[this.path, fromJson(this.#data, { now: this.database.now(), existing: () => node })]];
    this.database.raise(this.database.sync.rewrite(this.#write, ops));
  }

  /** Asked after calls into the application, which may have ended the transaction by a write of its own. */
  #isOver(): boolean {
    return this.#state === 'over';
  }

  #end(error: Error | null, committed: boolean, node: Node | null): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    if (!committed) this.database.raise(this.database.sync.revert(this.#write));
    const snapshot = node && new DataSnapshot(node, this.place.at(this.path), '$priority');
    if (this.onComplete) guarded(() => this.onComplete?.(error, committed, snapshot));
    if (error) this.result.reject(error);
    else this.result.resolve({ committed, snapshot: snapshot! });
    this.onEnd();
  }
}
