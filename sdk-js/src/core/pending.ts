// Pending writes: what this client has written and the server has not yet confirmed, laid over what the server has said.

import { Node } from './node.ts';
import { below, type Path, related } from './path.ts';

/** One place and what stands there after a write. */
export type Op = readonly [path: Path, node: Node];

/** A write on its way. It stays until the stream says that all its data has come (`ack`), or until the server refuses it. */
export interface Write {
  ops: readonly Op[];
  /** A transaction with `applyLocally = false` is not shown. */
  readonly visible: boolean;
  /** Number of its request in the session; infinite while it has none. */
  n: number;
}

export function newWrite(ops: readonly Op[], visible = true): Write {
  return { ops, visible, n: Number.POSITIVE_INFINITY };
}

/** What is known of one listened place. */
export interface Known {
  readonly node: Node;
  /** Whether `node` is all that a listener there would see; without it there are only a few children, and no `value` event. */
  readonly complete: boolean;
  /** Whether children absent from `node` are absent from the database. Not so for the window of a query. */
  readonly full: boolean;
}

export const UNKNOWN: Known = { node: Node.EMPTY, complete: false, full: false };

/** What is known at `at` once `writes` have happened in this order. */
export function overlay(known: Known, at: Path, writes: Iterable<Write>): Known {
  for (const { ops, visible } of writes) {
    if (visible) for (const op of ops) known = apply(known, at, op);
  }
  return known;
}

export function apply(known: Known, at: Path, [path, node]: Op): Known {
  const within = below(at, path);
  if (within !== null) return { node: node.at(within), complete: true, full: true };
  const rest = below(path, at);
  if (rest === null) return known;
  // A change inside a child that is not known would show a piece of it as if it were the whole child.
  const canTell = rest.length === 1 || known.full || known.node.children.has(rest[0]!);
  return canTell ? { ...known, node: known.node.with(rest, node) } : known;
}

/** What `overlay` makes of the one child `key`, as long as no write concerns the whole of `at`. */
export function overlayChild(known: Known, at: Path, key: string, writes: Iterable<Write>): Node {
  const place = [...at, key];
  let only = { ...known, node: Node.EMPTY.with([key], known.node.child(key)) };
  for (const { ops, visible } of writes) {
    if (visible) for (const op of ops) if (related(op[0], place)) only = apply(only, at, op);
  }
  return only.node.child(key);
}
