// The local truth of one database: what the server has said of each listened place, this client's pending writes over it,
// and the views of the application. Every method returns the events it causes; nothing is called or sent from here.

import type { Json } from './json.ts';
import { Node } from './node.ts';
import { below, INFO, type Path, related } from './path.ts';
import { type Known, type Op, overlay, UNKNOWN, type Write } from './pending.ts';
import { listenText, type Query, queryText, select } from './query.ts';
import type { EventType, Firing, Registration } from './view.ts';
import { Watch } from './watch.ts';

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
    const open = this.#watches.get(text);
    const isInfo = path[0] === INFO;
    const watch = open ?? new Watch(path, query, this.#seed(path), isInfo ? [] : this.#writes);
    this.#watches.set(text, watch);
    return { firings: watch.view(query).add(registration), opened: open || isInfo ? null : text };
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
    return this.#near(write.ops).flatMap((watch) => watch.add(write.visible ? write.ops : []));
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
    const ops = done.flatMap(({ ops }) => ops);
    for (const watch of this.#near(ops)) watch.done(done);
    return this.#refresh(ops);
  }

  /** The server says: at `place` below the listener `text` stands `data`. */
  put(text: string, place: string, data: Json): Firing[] {
    return this.#watches.get(text)?.hear([[place, data]], this.#writes) ?? [];
  }

  /** The server says: below `place`, each named child is replaced. */
  patch(text: string, place: string, data: Json): Firing[] {
    const places = Object.keys(data).map((key) => [`${place}/${key}`, data[key]] as const);
    return this.#watches.get(text)?.hear(places, this.#writes) ?? [];
  }

  /** The listener is over. Gives the callbacks to be told. */
  cancel(text: string): Registration[] {
    const watch = this.#watches.get(text);
    this.#watches.delete(text);
    return watch ? [...watch.views.values()].flatMap(({ registrations }) => registrations) : [];
  }

  /** A new session knows no listeners: gives all texts, to be sent again. What they last said stays until they speak. */
  forgetSession(): string[] {
    for (const watch of this.#watches.values()) watch.isSettled = false;
    return this.unsettled();
  }

  /** Listeners that have not had their first `put`. */
  unsettled(): string[] {
    return [...this.#watches].filter(([, { isSettled, path }]) => !isSettled && path[0] !== INFO).map(([text]) => text);
  }

  /** New values below `/.info`. */
  inform(info: Node): Firing[] {
    this.#info = info;
    const watches = [...this.#watches.values()].filter(({ path }) => path[0] === INFO);
    return watches.flatMap((watch) => watch.reset(this.#seed(watch.path)));
  }

  /** What this client can tell of a place without asking: from a listener there or above, and from its pending writes. */
  local(path: Path, query: Query): { node: Node; complete: boolean } {
    const watch = this.#watches.get(listenText(path, query));
    const known = watch?.local.complete ? watch.local : this.#seed(path, true);
    return { node: select(known.node, query), complete: known.complete };
  }

  /** What is known of a place for which there is no listener of its own; `withWrites`: as it is shown, not as the server said. */
  #seed(path: Path, withWrites = false): Known {
    if (path[0] === INFO) return { node: this.#info.at(path.slice(1)), complete: true, full: true };
    for (const watch of this.#watches.values()) {
      const rest = below(path, watch.path);
      const known = withWrites ? watch.local : watch.known;
      if (rest !== null && known.full) return { ...known, node: known.node.at(rest) };
    }
    return withWrites ? overlay(UNKNOWN, path, this.#writes) : UNKNOWN;
  }

  /** The watches that see these places. `/.info` sees nothing, not even a write to the root. */
  #near(ops: readonly Op[]): Watch[] {
    return [...this.#watches.values()].filter(
      ({ path }) => path[0] !== INFO && ops.some(([place]) => related(place, path)),
    );
  }

  #refresh(ops: readonly Op[]): Firing[] {
    const places = ops.map(([place]) => place);
    return this.#near(ops).flatMap((watch) => watch.change(places, this.#writes));
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
