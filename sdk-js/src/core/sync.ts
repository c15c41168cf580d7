// The local truth of one database: what the server has said of each listened place, this client's pending writes over it,
// and the views of the application. Every method returns the events it causes; nothing is called or sent from here.

import { fromJson, type Json } from './json.ts';
import { Node } from './node.ts';
import { below, INFO, type Path, parsePath, related } from './path.ts';
import { type Known, type Op, overlay, UNKNOWN, type Write } from './pending.ts';
import { isWhole, listenText, type Query, queryText, select } from './query.ts';
import { type EventType, type Firing, type Registration, View } from './view.ts';

/** One listener on the server, and the views that live on its data: the same children in different orders share it. */
interface Watch {
  readonly path: Path;
  readonly query: Query;
  /** What the server has said, without pending writes. */
  known: Known;
  /** Whether the first `put` of this session has come: until then `known` is a guess from earlier or from elsewhere. */
  settled: boolean;
  readonly views: Map<string, View>;
}

/** Which callbacks `off` means: an absent field means any. */
export interface Match {
  readonly event?: EventType | undefined;
  readonly callback?: unknown;
  readonly context?: unknown;
}

export class Sync {
  readonly #watches = new Map<string, Watch>();
  #writes: Write[] = [];
  #info: Node = Node.EMPTY;

  /** Adds a callback. `opened` is the text to listen to at the server, if nothing listened to it so far. */
  listen(path: Path, query: Query, registration: Registration): { firings: Firing[]; opened: string | null } {
    const text = listenText(path, query);
    let watch = this.#watches.get(text);
    const isNew = watch === undefined;
    if (watch === undefined) {
      watch = { path, query, known: this.#seed(path), settled: false, views: new Map() };
      this.#watches.set(text, watch);
    }
    const view = watch.views.get(queryText(query)) ?? new View(query, this.#overlaid(watch));
    watch.views.set(queryText(query), view);
    return { firings: view.add(registration), opened: isNew && path[0] !== INFO ? text : null };
  }

  /** Removes callbacks; without `query`, those of every query at `path`. Gives the texts that nobody listens to any more. */
  unlisten(path: Path, query: Query | null, match: Match): string[] {
    const closed: string[] = [];
    for (const [text, watch] of this.#watches) {
      if (watch.path.length !== path.length || !below(watch.path, path)) continue;
      for (const [id, view] of watch.views) {
        if (query !== null && queryText(query) !== id) continue;
        view.registrations = without(view.registrations, match);
        if (view.registrations.length === 0) watch.views.delete(id);
      }
      if (watch.views.size > 0) continue;
      this.#watches.delete(text);
      if (path[0] !== INFO) closed.push(text);
    }
    return closed;
  }

  /** Shows a write at once. */
  write(write: Write): Firing[] {
    this.#writes.push(write);
    return this.#refresh(write.ops);
  }

  /** Puts other values into a write, where it stands among the others; a write that is gone comes back as the last. */
  rewrite(write: Write, ops: readonly Op[]): Firing[] {
    const touched = [...write.ops, ...ops];
    write.ops = ops;
    if (!this.#writes.includes(write)) this.#writes.push(write);
    return this.#refresh(touched);
  }

  /** Takes back a write that was refused or given up. */
  revert(write: Write): Firing[] {
    this.#writes = this.#writes.filter((other) => other !== write);
    return this.#refresh(write.ops);
  }

  /** The server has said all that the requests up to `n` caused: their writes are in its data now. */
  ack(n: number): Firing[] {
    const done = this.#writes.filter((write) => write.n <= n);
    if (done.length === 0) return [];
    this.#writes = this.#writes.filter((write) => write.n > n);
    // What is not settled has got none of that data: there the writes must stay, until the first `put` replaces all.
    for (const watch of this.#watches.values()) {
      if (!watch.settled) watch.known = overlay(watch.known, watch.path, done);
    }
    return this.#refresh(done.flatMap(({ ops }) => ops));
  }

  /** The server says: at `place` below the listener `text` stands `data`. */
  put(text: string, place: string, data: Json): Firing[] {
    return this.#hear(text, [[place, data]]);
  }

  /** The server says: below `place`, each named child is replaced. */
  patch(text: string, place: string, data: Json): Firing[] {
    return this.#hear(
      text,
      Object.keys(data).map((key) => [`${place}/${key}`, data[key]]),
    );
  }

  /** The listener is over. Gives the callbacks to be told. */
  cancel(text: string): Registration[] {
    const watch = this.#watches.get(text);
    this.#watches.delete(text);
    return watch ? [...watch.views.values()].flatMap(({ registrations }) => registrations) : [];
  }

  /** A new session knows no listeners: gives all texts, to be sent again. What they last said stays until they speak. */
  forgetSession(): string[] {
    for (const watch of this.#watches.values()) watch.settled = false;
    return this.unsettled();
  }

  /** Listeners that have not had their first `put`. */
  unsettled(): string[] {
    return [...this.#watches].filter(([, watch]) => !watch.settled && watch.path[0] !== INFO).map(([text]) => text);
  }

  /** New values below `/.info`. */
  inform(info: Node): Firing[] {
    this.#info = info;
    const watches = [...this.#watches.values()].filter(({ path }) => path[0] === INFO);
    for (const watch of watches) watch.known = this.#seed(watch.path);
    return watches.flatMap((watch) => this.#update(watch));
  }

  /** What this client can tell of a place without asking: from a listener there or above, and from its pending writes. */
  local(path: Path, query: Query): { node: Node; complete: boolean } {
    const same = this.#watches.get(listenText(path, query));
    const known = same?.known.complete ? same.known : this.#seed(path);
    const { node, complete } = overlay(known, path, this.#writes);
    return { node: select(node, query), complete };
  }

  /** What the listeners of everything at `path` or above have been told of it. */
  #seed(path: Path): Known {
    if (path[0] === INFO) return { node: this.#info.at(path.slice(1)), complete: true, full: true };
    for (const watch of this.#watches.values()) {
      const rest = below(path, watch.path);
      if (rest !== null && watch.known.full) return { ...watch.known, node: watch.known.node.at(rest) };
    }
    return UNKNOWN;
  }

  #hear(text: string, places: readonly (readonly [place: string, data: Json])[]): Firing[] {
    const watch = this.#watches.get(text);
    if (!watch) return [];
    for (const [place, data] of places) {
      const path = parsePath(place);
      const node = fromJson(data);
      // Before its first snapshot a listener hears only the tail of an earlier one with the same text.
      if (path.length === 0) {
        watch.known = { node, complete: true, full: isWhole(watch.query) };
        watch.settled = true;
      } else if (watch.settled) watch.known = { ...watch.known, node: watch.known.node.with(path, node) };
    }
    return this.#update(watch);
  }

  #overlaid(watch: Watch): Known {
    return overlay(watch.known, watch.path, this.#writes);
  }

  #update(watch: Watch): Firing[] {
    const known = this.#overlaid(watch);
    return [...watch.views.values()].flatMap((view) => view.update(known));
  }

  #refresh(ops: readonly Op[]): Firing[] {
    return [...this.#watches.values()]
      .filter(({ path }) => ops.some(([place]) => related(place, path)))
      .flatMap((watch) => this.#update(watch));
  }
}

/** Like Firebase, `off` with a callback removes one registration of it, and without one all of them. */
function without(registrations: readonly Registration[], { event, callback, context }: Match): Registration[] {
  let found = false;
  return registrations.filter((registration) => {
    const matches =
      !(found && callback) &&
      (!event || registration.event === event) &&
      (!callback || registration.callback === callback) &&
      (callback ? registration.context === (context ?? null) : !context || registration.context === context);
    if (matches) found = registration.removed = true;
    return !matches;
  });
}
