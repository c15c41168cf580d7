// Scenarios: the format of tests/conformance/README.md, run through the SDK.

import type { Json } from '../../src/core/json.ts';
import type { EventType, Firebase as FirebaseClass, Query } from '../../src/index.ts';
import { until } from './wait.ts';

type Sdk = typeof FirebaseClass;

export interface Scenario {
  readonly name: string;
  readonly steps: readonly Json[];
}

interface Event {
  readonly type: EventType;
  readonly key?: string | null;
  readonly value: Json;
  readonly prevKey?: string | null | undefined;
}

/** One scenario under way: writes through one copy of the SDK, listens through another, reads through a third. */
export class ScenarioRun {
  readonly #writer: FirebaseClass;
  readonly #listener: FirebaseClass;
  readonly #reader: FirebaseClass;
  readonly #listening = new Map<string, { events: Event[]; stop: () => void }>();
  #seenMark = 0;

  /** `database` gives the URL of a path in it. The root of the scenario is a child of its root: marks are beside it. */
  constructor(database: (path: string) => string, writer: Sdk, listener: Sdk, reader: Sdk) {
    this.#writer = new writer(database('scenario'));
    this.#listener = new listener(database('scenario'));
    this.#reader = new reader(database('scenario'));
    this.#listener
      .parent()!
      .child('mark')
      .on('value', (snapshot) => {
        this.#seenMark = snapshot.val() ?? 0;
      });
  }

  async run({ steps }: Scenario): Promise<void> {
    await this.#writer.parent()!.remove();
    for (const [i, step] of steps.entries()) {
      const [verb, what] = Object.entries(step as object)[0]!;
      await this.#step(verb, what).catch((error) => {
        error.message = `step ${i + 1}, ${JSON.stringify(step)}: ${error.message}`;
        throw error;
      });
    }
    for (const id of this.#listening.keys()) await this.#expect(id, []);
  }

  async #step(verb: string, { path, value, priority, id, events, query }: Json): Promise<void> {
    if (verb === 'set') await at(this.#writer, path).set(value);
    else if (verb === 'update') await at(this.#writer, path).update(value);
    else if (verb === 'remove') await at(this.#writer, path).remove();
    else if (verb === 'push') await at(this.#writer, path).push(value);
    else if (verb === 'setPriority') await at(this.#writer, path).setPriority(priority);
    else if (verb === 'listen') await this.#listen(id, queried(at(this.#listener, path), query), events);
    else if (verb === 'unlisten') this.#unlisten(id);
    else if (verb === 'expect') await this.#expect(id, events);
    else if (verb === 'get') check((await at(this.#reader, path).once('value')).exportVal(), value, 'the value');
    else throw new Error(`unknown step ${verb}`);
  }

  async #listen(id: string, query: Query, types: readonly EventType[]): Promise<void> {
    const events: Event[] = [];
    const stops = types.map((type) => {
      const callback = query.on(type, (snapshot, prevKey) => {
        const key = type === 'value' ? {} : { key: snapshot.key() };
        events.push({ type, ...key, value: snapshot.exportVal(), prevKey });
      });
      return () => query.off(type, callback);
    });
    this.#listening.set(id, { events, stop: () => stops.map((stop) => stop()) });
    // The listens travel in the listener's own session: a request behind them is answered when they have been heard.
    await this.#listener.onDisconnect().cancel();
    await this.#caughtUp();
  }

  #unlisten(id: string): void {
    this.#listening.get(id)!.stop();
    this.#listening.delete(id);
  }

  async #expect(id: string, expected: readonly Event[]): Promise<void> {
    await this.#caughtUp();
    const events = this.#listening.get(id)!.events.splice(0);
    const told = events.map((event) => JSON.stringify(event)).join('\n');
    if (events.length !== expected.length) {
      throw new Error(`${expected.length} events expected, ${events.length} came:\n${told}`);
    }
    events.forEach((event, i) => {
      for (const [name, wanted] of Object.entries(expected[i]!)) {
        check(event[name as keyof Event], wanted, `${name} of event ${i + 1} of:\n${told}\n`);
      }
    });
  }

  /** Waits until the listener has heard all that the writer has written: a mark written after it has arrived. */
  async #caughtUp(): Promise<void> {
    const mark = this.#seenMark + 1;
    await this.#writer.parent()!.child('mark').set(mark);
    await until('the mark', () => this.#seenMark === mark);
  }
}

function at(root: FirebaseClass, path: string): FirebaseClass {
  return path === '/' ? root : root.child(path);
}

function queried(start: Query, parameters: Json): Query {
  const { orderBy, ...rest } = parameters ?? {};
  let query = start;
  if (orderBy === '$key') query = query.orderByKey();
  else if (orderBy === '$value') query = query.orderByValue();
  else if (orderBy === '$priority') query = query.orderByPriority();
  else if (orderBy) query = query.orderByChild(orderBy);
  for (const [name, value] of Object.entries(rest))
    query = (query[name as keyof Query] as (value: unknown) => Query)(value);
  return query;
}

/** Compares in export format; `{"$type": T}` stands for any value of type T. */
function check(found: Json, wanted: Json, what: string): void {
  if (matches(found, wanted)) return;
  throw new Error(`${what} is ${JSON.stringify(found)}, expected ${JSON.stringify(wanted)}`);
}

function matches(found: Json, wanted: Json): boolean {
  if (typeof wanted !== 'object' || wanted === null) return found === wanted;
  if (Object.hasOwn(wanted, '$type')) return typeof found === wanted.$type;
  const keys = Object.keys(wanted);
  if (typeof found !== 'object' || found === null || Object.keys(found).length !== keys.length) return false;
  return keys.every((key) => Object.hasOwn(found, key) && matches(found[key], wanted[key]));
}
