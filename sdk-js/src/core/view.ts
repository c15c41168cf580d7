// Views: what listeners of one query have been shown, and which events lead from there to what is known now.

import type { Node } from './node.ts';
import { compareValues, type Index, indexValue } from './order.ts';
import type { Known } from './pending.ts';
import { type Query, select } from './query.ts';

export type EventType = 'value' | 'child_added' | 'child_removed' | 'child_changed' | 'child_moved';

/** One event. For `value`, `key` is `null` and `node` is everything. */
export interface Change {
  readonly type: EventType;
  readonly key: string | null;
  readonly node: Node;
  /** Key of the child before it, `null` for the first; `undefined` where it has no meaning. */
  readonly prevKey?: string | null;
}

/** One callback of the application. */
export interface Registration {
  readonly event: EventType;
  readonly callback: unknown;
  readonly context: unknown;
  /** Set by `off`: events that are already under way shall not reach it any more. */
  removed: boolean;
  fire(change: Change): void;
  cancel(error: Error): void;
}

/** An event and the callback that gets it. Returned, never called inside `core`. */
export interface Firing {
  readonly registration: Registration;
  readonly change: Change;
}

export class View {
  registrations: readonly Registration[] = [];
  #shown: Node;
  #complete: boolean;

  constructor(
    readonly query: Query,
    known: Known,
  ) {
    this.#shown = select(known.node, query);
    this.#complete = known.complete;
  }

  /** Adds a callback and replays to it what is shown already. */
  add(registration: Registration): Firing[] {
    this.registrations = [...this.registrations, registration];
    return this.#initial(registration.event).map((change) => ({ registration, change }));
  }

  #initial(event: EventType): Change[] {
    if (event === 'child_added') return added(null, this.#shown, this.query.index);
    return event === 'value' && this.#complete ? [valueChange(this.#shown)] : [];
  }

  /** Goes over to what is known now. Events come by type, and within a type in the order of the index. */
  update(known: Known): Firing[] {
    const [before, wasComplete] = [this.#shown, this.#complete];
    const after = select(known.node, this.query);
    this.#shown = after;
    this.#complete = known.complete;
    const changes = before === after ? [] : childChanges(before, after, this.query.index);
    if (known.complete && !(wasComplete && before.equals(after))) changes.push(valueChange(after));
    return changes.flatMap((change) =>
      this.registrations.filter(({ event }) => event === change.type).map((registration) => ({ registration, change })),
    );
  }
}

function valueChange(node: Node): Change {
  return { type: 'value', key: null, node };
}

/** Firebase's order: removed, added, moved, changed. A child whose index value changed has moved, even to the same place. */
function childChanges(before: Node, after: Node, index: Index): Change[] {
  const removed = before
    .ordered(index)
    .filter(([key]) => !after.children.has(key))
    .map(([key, node]): Change => ({ type: 'child_removed', key, node }));
  const moved: Change[] = [];
  const changed: Change[] = [];
  let prevKey: string | null = null;
  for (const [key, node] of after.ordered(index)) {
    const old = before.children.get(key);
    if (old !== undefined && !old.equals(node)) {
      const hasMoved = compareValues(indexValue(index, old), indexValue(index, node)) !== 0;
      if (hasMoved) moved.push({ type: 'child_moved', key, node, prevKey });
      changed.push({ type: 'child_changed', key, node, prevKey });
    }
    prevKey = key;
  }
  return [...removed, ...added(before, after, index), ...moved, ...changed];
}

function added(before: Node | null, after: Node, index: Index): Change[] {
  const changes: Change[] = [];
  let prevKey: string | null = null;
  for (const [key, node] of after.ordered(index)) {
    if (!before?.children.has(key)) changes.push({ type: 'child_added', key, node, prevKey });
    prevKey = key;
  }
  return changes;
}
