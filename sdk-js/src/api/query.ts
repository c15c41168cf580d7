// Query: what can be listened to. The builder methods give new queries and leave their own alone.

import {
  type BoundValue,
  childIndex,
  type Draft,
  finished,
  withEnd,
  withLimit,
  withOrder,
  withStart,
} from '../core/draft.ts';
import { select, WHOLE } from '../core/query.ts';
import { checkEvent, checkFunction } from '../core/validate.ts';
import type { Change, EventType, Registration } from '../core/view.ts';
import { answer, guarded } from './callbacks.ts';
import type { Firebase } from './firebase.ts';
import type { Place } from './place.ts';
import { DataSnapshot } from './snapshot.ts';

/** `prevKey` is the key of the child before it, `null` for the first; only child events have it. */
export type EventCallback = (snapshot: DataSnapshot, prevKey?: string | null) => void;
export type CancelCallback = (error: Error) => void;

export class Query {
  /** @internal */
  readonly _at: Place;
  readonly #draft: Draft;

  /** @internal */
  constructor(place: Place, draft: Draft = WHOLE) {
    this._at = place;
    this.#draft = draft;
  }

  ref(): Firebase {
    return this._at.at(this._at.path);
  }

  toString(): string {
    return this._at.toString();
  }

  /** Listens. The third argument is a cancel callback or a context; the fourth a context. Returns `callback`. */
  on<C extends EventCallback>(
    event: EventType,
    callback: C,
    cancelOrContext?: CancelCallback | object | null,
    context?: object | null,
  ): C {
    checkEvent('Query.on', event);
    checkFunction('Query.on', 2, callback, false);
    const rest = cancelAndContext(cancelOrContext, context);
    this.#listen({
      event,
      callback,
      context: rest.context,
      removed: false,
      fire: (change) => this.#call(callback, rest.context, change),
      cancel: (error) => rest.cancel?.call(rest.context, error),
    });
    return callback;
  }

  /** Stops listening: all callbacks, those of one event, or one; with a context, only those registered with it. */
  off(event?: EventType | null, callback?: EventCallback | null, context?: object | null): void {
    if (event !== undefined && event !== null) checkEvent('Query.off', event);
    checkFunction('Query.off', 2, callback);
    // As in Firebase, `off` on a plain reference means every query at its place.
    const query = this.#draft === WHOLE ? null : finished(this.#draft);
    this._at.database.unlisten(this._at.path, query, { event: event ?? undefined, callback, context });
  }

  /** The next event of a kind, once. A value that is known here is given at once, else it is read from the server. */
  once(
    event: EventType,
    callback?: EventCallback | null,
    cancelOrContext?: CancelCallback | object | null,
    context?: object | null,
  ): Promise<DataSnapshot> {
    checkEvent('Query.once', event);
    checkFunction('Query.once', 2, callback);
    const rest = cancelAndContext(cancelOrContext, context);
    const { promise, resolve, reject } = answer<DataSnapshot>();
    const give = (change: Change): void => {
      if (callback) guarded(() => this.#call(callback, rest.context, change));
      resolve(this.#snapshot(change));
    };
    const refuse = (error: Error): void => {
      guarded(() => rest.cancel?.call(rest.context, error));
      reject(error);
    };
    if (event === 'value') this.#read(give, refuse);
    else this.#next(event, give, refuse);
    return promise;
  }

  /** Up to `count` of the last children, or with `startAt` of the first: the 1.x name of both. */
  limit(count: number): Query {
    return this.#with(withLimit(this.#draft, 'Query.limit', count));
  }

  limitToFirst(count: number): Query {
    return this.#with(withLimit(this.#draft, 'Query.limitToFirst', count, 'first'));
  }

  limitToLast(count: number): Query {
    return this.#with(withLimit(this.#draft, 'Query.limitToLast', count, 'last'));
  }

  /** By the value at `path` below each child. */
  orderByChild(path: string): Query {
    return this.#with(withOrder(this.#draft, 'Query.orderByChild', childIndex(path)));
  }

  orderByKey(): Query {
    return this.#with(withOrder(this.#draft, 'Query.orderByKey', '$key'));
  }

  orderByValue(): Query {
    return this.#with(withOrder(this.#draft, 'Query.orderByValue', '$value'));
  }

  orderByPriority(): Query {
    return this.#with(withOrder(this.#draft, 'Query.orderByPriority', '$priority'));
  }

  /** Children from `value` on; among those with exactly this value, from `key` on. */
  startAt(value: BoundValue = null, key?: string): Query {
    return this.#with(withStart(this.#draft, 'Query.startAt', value, key));
  }

  /** Children up to `value`; among those with exactly this value, up to `key`. */
  endAt(value: BoundValue = null, key?: string): Query {
    return this.#with(withEnd(this.#draft, 'Query.endAt', value, key));
  }

  equalTo(value: BoundValue, key?: string): Query {
    return this.#with(withEnd(withStart(this.#draft, 'Query.equalTo', value, key), 'Query.equalTo', value, key));
  }

  #with(draft: Draft): Query {
    return new Query(this._at, draft);
  }

  #listen(registration: Registration): void {
    this._at.database.listen(this._at.path, finished(this.#draft), registration);
  }

  #read(give: (change: Change) => void, refuse: (error: Error) => void): void {
    const { database, path } = this._at;
    const query = finished(this.#draft);
    const local = database.sync.local(path, query);
    if (local.complete) give({ type: 'value', key: null, node: local.node });
    else database.get(path, query, ({ node }) => give({ type: 'value', key: null, node: select(node, query) }), refuse);
  }

  #next(event: EventType, give: (change: Change) => void, refuse: (error: Error) => void): void {
    const registration: Registration = {
      event,
      callback: give,
      context: null,
      removed: false,
      fire: (change) => {
        this._at.database.unlisten(this._at.path, finished(this.#draft), { event, callback: give });
        give(change);
      },
      cancel: refuse,
    };
    this.#listen(registration);
  }

  #snapshot({ key, node }: Change): DataSnapshot {
    if (key === null) return new DataSnapshot(node, this.ref(), this.#draft.index);
    return new DataSnapshot(node, this._at.below([key]), '$priority');
  }

  #call(callback: EventCallback, context: unknown, change: Change): void {
    const snapshot = this.#snapshot(change);
    if (change.key === null) callback.call(context, snapshot);
    else callback.call(context, snapshot, change.prevKey);
  }
}

/** The optional last arguments of `on` and `once`: a cancel callback, a context, or both. */
function cancelAndContext(
  cancelOrContext: CancelCallback | object | null | undefined,
  context: object | null | undefined,
): { cancel: CancelCallback | null; context: object | null } {
  if (typeof cancelOrContext !== 'function') return { cancel: null, context: cancelOrContext ?? context ?? null };
  return { cancel: cancelOrContext as CancelCallback, context: context ?? null };
}
