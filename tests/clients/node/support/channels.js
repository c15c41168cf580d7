// A way by which a sequence reaches the server: an SDK with two clients, one of which writes, and one listens.

import { record } from './recorder.js';
import { EPOCH_MS, IS_PUSHED, TRANSACTIONS } from './sequence.js';

/** Real push keys in the place of the names that sequences have for them, and back. One for each run of a sequence. */
export class Names {
  #real = new Map();

  learn(name, key) {
    this.#real.set(name, key);
  }
  real(text) {
    return text.replace(IS_PUSHED, (name) => this.#real.get(name) ?? name);
  }
  /** The same in all keys of a value. */
  realIn(value) {
    return JSON.parse(this.real(JSON.stringify(value)));
  }
  /** What was heard, with the names of the sequence for push keys and one word for all timestamps. */
  plain(value) {
    let text = JSON.stringify(value);
    for (const [name, key] of this.#real) text = text.replaceAll(key, name);
    return JSON.parse(text, (_, inner) => (typeof inner === 'number' && inner > EPOCH_MS ? 'a time' : inner));
  }
}

/** An SDK: `writer` and `reader` are clients of their own. */
export class SdkChannel {
  constructor(name, sdk, writer, reader) {
    this.name = name;
    this.features = sdk.features;
    this.writer = writer;
    this.reader = reader;
  }

  /** One run below `root`. */
  open(root) {
    return new SdkRun(this, root, new Names());
  }
}

class SdkRun {
  #channel;
  #root;
  #pending = [];
  #logs = new Map();

  constructor(channel, root, names) {
    this.#channel = channel;
    this.#root = root;
    this.names = names;
  }

  #place(client, path) {
    return this.#channel[client].place(this.names.real(path ? `${this.#root}/${path}` : this.#root));
  }

  /** The writer hears guesses of its own before the server answers. */
  guesses = true;

  /** What the listener should hear, of the events that the model tells. */
  expects(events) {
    return events;
  }

  can(query) {
    return this.#channel.features.has('startAfter') || !query.some(([step]) => /After|Before/.test(step));
  }

  /** Waits until the answers to all writes are there, and all that they caused at both clients. */
  async settle() {
    for (const { step, accepted, done } of this.#pending.splice(0)) {
      const error = await done;
      if (Boolean(error) !== accepted) continue;
      const wanted = accepted ? 'accepted' : 'refused';
      throw new Error(`${JSON.stringify(step)} should be ${wanted}: ${error ?? 'it was not'}`);
    }
    await Promise.all([this.#channel.writer.settled(), this.#channel.reader.settled()]);
  }

  async listen({ listen, path, query, by }) {
    this.#logs.set(listen, { log: record(this.#place(by, path).query(query)), by });
    await this.settle();
    return this.names.plain(this.#logs.get(listen).log.take());
  }

  unlisten(id) {
    this.#logs.get(id)?.log.off(); // one that the SDK cannot do was never begun
    this.#logs.delete(id);
  }

  /** What the listener has heard since the last time. */
  heard(id) {
    return this.names.plain(this.#logs.get(id).log.take());
  }

  async write(step, accepted) {
    const done = this.#apply(step).then(() => null, (error) => error);
    this.#pending.push({ step, accepted, done });
    if (step.write === 'transaction' || step.write === 'increment') await this.settle();
  }

  async #apply(step) {
    const place = this.#place('writer', step.path);
    switch (step.write) {
      case 'set':
        return place.set(this.names.realIn(step.value));
      case 'remove':
        return place.remove();
      case 'update':
        return place.update(this.names.realIn(step.updates));
      case 'push': {
        const { key, stored } = place.push(step.value);
        this.names.learn(step.key, key);
        return stored;
      }
      case 'priority':
        return place.setPriority(step.priority);
      case 'stamp':
        return place.set({ at: this.#channel.writer.timestamp, once: step.once });
      case 'increment':
        return this.#increment(place, step.by);
      case 'transaction':
        await this.#quiet(step);
        return place.transaction(TRANSACTIONS[step.kind]);
    }
  }

  /** A transaction is aborted by the SDK when one of its own writes is still under way at its place: wait for those. */
  async #quiet(step) {
    await Promise.all(this.#pending.filter((other) => other.step !== step).map(({ done }) => done));
  }

  async #increment(place, by) {
    if (this.#channel.features.has('increment')) return place.set(this.#channel.writer.increment(by));
    await this.#quiet();
    const add = (value) => ({ '.value': (typeof value === 'number' ? value : 0) + by, '.priority': null });
    return place.transaction(add);
  }

  async stored() {
    return this.names.plain((await this.#place('reader', '').once()).export);
  }

  close() {
    for (const { log } of this.#logs.values()) log.off();
  }
}
