// Queries in the making: what the builder methods of the SDK may be called with, and in which combinations.
//
// The messages are those of the 2.4.2 SDK.

import type { Index, Primitive } from './order.ts';
import type { Bound, Query } from './query.ts';
import { argument, checkBoundKey, checkPath, cleanData, PRIORITY_RULE } from './validate.ts';

/** As the application has said it: a bound under `$key` has its key as value, and a limit may not know its end yet. */
export interface Draft extends Query {
  /** Whether one of the orderBy methods was called. */
  readonly isOrdered?: boolean;
}

export type BoundValue = Primitive | null;

export function withLimit(draft: Draft, method: string, limit: number, from?: 'first' | 'last'): Draft {
  if (!Number.isInteger(limit) || limit <= 0) throw new Error(`${method}: First argument must be a positive integer.`);
  if (draft.limit) {
    throw new Error(`${method}: Limit was already set.`);
  }
  return checked({ ...draft, limit, ...(from && { from }) });
}

export function withOrder(draft: Draft, method: string, index: Index): Draft {
  if (draft.isOrdered) throw new Error(`${method}: You can't combine multiple orderBy calls.`);
  return checked({ ...draft, index, isOrdered: true });
}

/** The index of `orderByChild(path)`. */
export function childIndex(path: string): Index {
  const method = 'Query.orderByChild';
  const keys = checkPath(method, path);
  if (keys.length === 0) throw new Error(`${method}: cannot pass in empty path.  Use Query.orderByValue() instead.`);
  return keys.join('/');
}

export function withStart(draft: Draft, method: string, value: BoundValue, key?: string): Draft {
  if (draft.start) throw alreadySet(method, 'Starting', 'startAt');
  return checked({ ...draft, start: boundOf(method, value, key) });
}

export function withEnd(draft: Draft, method: string, value: BoundValue, key?: string): Draft {
  if (draft.end) throw alreadySet(method, 'Ending', 'endAt');
  return checked({ ...draft, end: boundOf(method, value, key) });
}

function alreadySet(method: string, which: string, by: string): Error {
  return new Error(`${method}: ${which} point was already set (by another call to ${by} or equalTo).`);
}

function boundOf(method: string, value: BoundValue, key?: string): Bound {
  checkBoundKey(method, key);
  const copy = cleanData(argument(method, 1), value, []);
  return key === undefined ? { value: copy } : { value: copy, key };
}

function checked(draft: Draft): Draft {
  const { start, end, limit, from, index } = draft;
  if (start && end && limit && !from) {
    throw new Error(
      `Query: Can't combine startAt(), endAt(), and limit(). Use limitToFirst() or limitToLast() instead.`,
    );
  }
  for (const bound of [start, end]) if (bound) checkBound(bound, index);
  return draft;
}

function checkBound({ value, key }: Bound, index: Index): void {
  const method = 'startAt(), endAt(), or equalTo()';
  if (index === '$key' && (key !== undefined || typeof value !== 'string')) {
    throw new Error(
      `Query: When ordering by key, you may only pass one argument to ${method}, and it must be a string.`,
    );
  }
  if (index === '$priority' && typeof value === 'boolean') {
    throw new Error(`Query: When ordering by priority, the first argument passed to ${method} ${PRIORITY_RULE}`);
  }
  if (typeof value === 'object' && value !== null) {
    throw new Error(`Query: First argument passed to ${method} cannot be an object.`);
  }
}

/** The query that a draft means. */
export function finished({ index, start, end, limit, from }: Draft): Query {
  const settled = (bound: Bound): Bound => (index === '$key' ? { value: null, key: String(bound.value) } : bound);
  // Null without a key is below everything: as a start it says nothing.
  const hasStart = start && !(start.value === null && start.key === undefined);
  return {
    index,
    ...(hasStart && { start: settled(start) }),
    ...(end && { end: settled(end) }),
    ...(limit && { limit, from: from ?? (start ? 'first' : 'last') }),
  };
}
