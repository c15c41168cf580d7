// DataSnapshot: data as it was at one moment.

import { exportJson, type Json, toValue } from '../core/json.ts';
import type { Node } from '../core/node.ts';
import type { Index, Priority } from '../core/order.ts';
import { checkFunction, checkPath } from '../core/validate.ts';
import type { Firebase } from './firebase.ts';

export class DataSnapshot {
  readonly #node: Node;
  readonly #ref: Firebase;
  readonly #index: Index;

  /** @internal */
  constructor(node: Node, ref: Firebase, index: Index) {
    this.#node = node;
    this.#ref = ref;
    this.#index = index;
  }

  /** The data without priorities; arrays where the keys look like those of one; `null` if there is nothing. */
  val(): Json {
    return toValue(this.#node);
  }

  /** The data with its priorities, and without arrays. */
  exportVal(): Json {
    return exportJson(this.#node);
  }

  exists(): boolean {
    return !this.#node.isEmpty;
  }

  key(): string | null {
    return this.#ref._at.path.at(-1) ?? null;
  }

  /** The old name of `key`. */
  name(): string | null {
    return this.key();
  }

  ref(): Firebase {
    return this.#ref;
  }

  /** The data at a relative path; a snapshot of nothing if there is none. */
  child(path: string | number): DataSnapshot {
    return this.#below(checkPath('DataSnapshot.child', String(path)));
  }

  hasChild(path: string): boolean {
    return !this.#node.at(checkPath('DataSnapshot.hasChild', path)).isEmpty;
  }

  hasChildren(): boolean {
    return this.#node.children.size > 0;
  }

  numChildren(): number {
    return this.#node.children.size;
  }

  /** Calls `action` per child, in the order of the query. Stops when it returns `true`, and then returns `true`. */
  forEach(action: (child: DataSnapshot) => unknown): boolean {
    checkFunction('DataSnapshot.forEach', 1, action, false);
    return this.#node.ordered(this.#index).some(([key]) => action(this.#below([key])) === true);
  }

  getPriority(): Priority {
    return this.#node.priority;
  }

  #below(path: readonly string[]): DataSnapshot {
    return new DataSnapshot(this.#node.at(path), this.#ref._at.below(path), '$priority');
  }
}
