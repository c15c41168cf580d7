// Nodes: the immutable tree. A node is empty, a leaf with a value, or an inner node with children.
//
// Children live in a `Map`, so that a key such as `__proto__` is a key like any other.

import { compareEntries, type Entry, type Index, type Primitive, type Priority, placeOf } from './order.ts';
import type { Path } from './path.ts';

export class Node {
  /** Children in the order of the index asked for last; kept up to date by `withChild`, because lists are long and change often. */
  #order: { index: Index; entries: readonly Entry[] } | null = null;

  private constructor(
    readonly value: Primitive | null,
    readonly children: ReadonlyMap<string, Node>,
    readonly priority: Priority,
  ) {}

  static readonly EMPTY: Node = new Node(null, new Map(), null);

  static leaf(value: Primitive, priority: Priority = null): Node {
    return new Node(value, Node.EMPTY.children, priority);
  }

  /** An inner node; empty children are left out, and without children there is no node. */
  static inner(children: Iterable<Entry>, priority: Priority = null): Node {
    const kept = new Map<string, Node>();
    for (const [key, child] of children) if (!child.isEmpty) kept.set(key, child);
    return kept.size === 0 ? Node.EMPTY : new Node(null, kept, priority);
  }

  /** An inner node of children that are in the order of `index` already. */
  static sorted(entries: readonly Entry[], index: Index): Node {
    const node = Node.inner(entries);
    if (!node.isEmpty) node.#order = { index, entries };
    return node;
  }

  get isEmpty(): boolean {
    return this.value === null && this.children.size === 0;
  }

  /** The child `key`; under `.priority` the priority as a leaf. */
  child(key: string): Node {
    if (key !== '.priority') return this.children.get(key) ?? Node.EMPTY;
    return this.priority === null ? Node.EMPTY : Node.leaf(this.priority);
  }

  at(path: Path): Node {
    return path.reduce<Node>((node, key) => node.child(key), this);
  }

  /** This tree with `node` at `path`. Parents come and go as needed; a leaf that gets a child keeps its priority. */
  with(path: Path, node: Node): Node {
    const [key, ...rest] = path;
    return key === undefined ? node : this.#withChild(key, this.child(key).with(rest, node));
  }

  withPriority(priority: Priority): Node {
    return this.isEmpty ? this : new Node(this.value, this.children, priority);
  }

  equals(other: Node): boolean {
    if (this === other) return true;
    if (this.value !== other.value || this.priority !== other.priority) return false;
    if (this.children.size !== other.children.size) return false;
    for (const [key, child] of this.children) if (!child.equals(other.child(key))) return false;
    return true;
  }

  /** The children in the order of `index`. */
  ordered(index: Index): readonly Entry[] {
    if (this.#order?.index !== index) {
      this.#order = { index, entries: [...this.children].sort((a, b) => compareEntries(index, a, b)) };
    }
    return this.#order.entries;
  }

  #withChild(key: string, child: Node): Node {
    if (key === '.priority') return this.withPriority(child.value as Priority);
    const old = this.children.get(key);
    if (old === child || (old === undefined && child.isEmpty)) return this;
    const children = new Map(this.children);
    if (child.isEmpty) children.delete(key);
    else children.set(key, child);
    if (children.size === 0) return Node.EMPTY;
    const changed = new Node(null, children, this.priority);
    if (this.#order !== null) changed.#order = reordered(this.#order, key, old, child);
    return changed;
  }
}

/** The order after one child changed from `old` to `child`: two binary searches instead of a sort. */
function reordered(
  { index, entries }: { index: Index; entries: readonly Entry[] },
  key: string,
  old: Node | undefined,
  child: Node,
): { index: Index; entries: readonly Entry[] } {
  const changed = entries.slice();
  if (old !== undefined) changed.splice(placeOf(changed, index, [key, old]), 1);
  if (!child.isEmpty) changed.splice(placeOf(changed, index, [key, child]), 0, [key, child]);
  return { index, entries: changed };
}
