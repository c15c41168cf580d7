// A watch: one listener on the server, what it has said, and the views that live on that. Views of the same children in
// different orders share one.

import { fromJson, type Json } from './json.ts';
import type { Node } from './node.ts';
import { type Path, parsePath, related } from './path.ts';
import { apply, type Known, type Op, overlay, overlayChild, type Write } from './pending.ts';
import { isWhole, type Query, queryText } from './query.ts';
import { type Firing, View } from './view.ts';

export class Watch {
  readonly views: Map<string, View> = new Map();
  /** Whether the first `put` of this session has come: until then `known` is a guess from earlier or from elsewhere. */
  isSettled = false;
  /** What is shown: what is known, with the pending writes. */
  local: Known;

  /** `known` is what the server has said, without pending writes. */
  constructor(
    readonly path: Path,
    readonly query: Query,
    public known: Known,
    writes: readonly Write[],
  ) {
    this.local = overlay(known, path, writes);
  }

  /** The view of a query, made if there is none. */
  view(query: Query): View {
    const view = this.views.get(queryText(query)) ?? new View(query, this.local);
    this.views.set(queryText(query), view);
    return view;
  }

  /** The server says what stands at places below. */
  hear(places: readonly (readonly [place: string, data: Json])[], writes: readonly Write[]): Firing[] {
    for (const [place, data] of places) this.#take(parsePath(place), fromJson(data), writes);
    return this.#show();
  }

  #take(rest: Path, node: Node, writes: readonly Write[]): void {
    // Before its first snapshot a listener hears only the tail of an earlier one with the same text.
    if (rest.length > 0 && !this.isSettled) return;
    this.isSettled = true;
    const { known } = this;
    this.known =
      rest.length > 0
        ? { ...known, node: known.node.with(rest, node) }
        : { node, complete: true, full: isWhole(this.query) };
    this.#recompute([...this.path, ...rest], writes);
  }

  /** Starts from other knowledge. */
  reset(known: Known): Firing[] {
    this.known = known;
    return this.change([this.path], []);
  }

  /** Writes have been added behind all others. */
  add(ops: readonly Op[]): Firing[] {
    for (const op of ops) this.local = apply(this.local, this.path, op);
    return this.#show();
  }

  /** `writes` are now others at these places. */
  change(places: readonly Path[], writes: readonly Write[]): Firing[] {
    for (const place of places) this.#recompute(place, writes);
    return this.#show();
  }

  /**
   * The server has done writes. A settled watch has got their data before. Another one has not: there they are kept as
   * if the server had told them, until its first `put` replaces all.
   */
  done(writes: readonly Write[]): void {
    if (!this.isSettled) this.known = overlay(this.known, this.path, writes);
  }

  #recompute(place: Path, writes: readonly Write[]): void {
    if (!related(place, this.path)) return;
    const key = place[this.path.length];
    if (key === undefined || key === '.priority' || !this.#areChildrenApart(writes)) {
      this.local = overlay(this.known, this.path, writes);
      return;
    }
    const child = overlayChild(this.known, this.path, key, writes);
    if (!this.local.node.child(key).equals(child)) {
      this.local = { ...this.local, node: this.local.node.with([key], child) };
    }
  }

  /**
   * Whether each child can be computed by itself, which is much cheaper in a long list with many pending writes: so it is
   * while no write has anything to do with the node as a whole, be it that its last child may have gone in between.
   */
  #areChildrenApart(writes: readonly Write[]): boolean {
    const [known, local] = [this.known.node, this.local.node];
    let removals = 0;
    for (const [path, node] of writes.flatMap(({ ops }) => ops)) {
      if (!related(path, this.path)) continue;
      const key = path[this.path.length];
      if (key === undefined || key === '.priority') return false;
      if (node.isEmpty) removals += 1;
    }
    return known.children.size > removals && local.children.size > 0 && known.priority === local.priority;
  }

  #show(): Firing[] {
    return [...this.views.values()].flatMap((view) => view.update(this.local));
  }
}
