// The ways by which a sequence reaches the server: an SDK with two clients (one writes, one listens), and REST.

import { canonical } from './check.js';
import { record } from './recorder.js';
import { EPOCH_MS, IS_PUSHED, plain, TRANSACTIONS } from './sequence.js';

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

  can(query) {
    return this.#channel.features.has('startAfter') || !query.some(([step]) => /After|Before/.test(step));
  }

  /** Waits until the answers to all writes are there, and all that they caused at both clients. */
  async settle() {
    for (const { step, accepted, done } of this.#pending.splice(0)) {
      const error = await done;
      if (Boolean(error) !== accepted) continue;
      throw new Error(`${JSON.stringify(step)} should be ${accepted ? 'accepted' : 'refused'}: ${error ?? 'it was not'}`);
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

/** REST: each write a request, each look of a listener a query. */
export class RestChannel {
  name = 'REST';
  constructor(url, ns) {
    this.url = url;
    this.ns = ns;
  }
  open(root) {
    return new RestRun(this, root, new Names());
  }
}

class RestRun {
  #channel;
  #root;
  #listeners = new Map();

  constructor(channel, root, names) {
    this.#channel = channel;
    this.#root = root;
    this.names = names;
  }

  async #ask(method, path, { body, params = {}, headers = {} } = {}) {
    const place = this.names.real(path ? `${this.#root}/${path}` : this.#root).split('/').map(encodeURIComponent).join('/');
    const query = new URLSearchParams({ ns: this.#channel.ns, ...params });
    const text = body === undefined ? undefined : JSON.stringify(body);
    return fetch(`${this.#channel.url}/${place}.json?${query}`, { method, body: text, headers });
  }

  /** Bounds with a key, and exclusive ones, exist only in SDKs. */
  can(query) {
    return !query.some(([step, ...args]) => /After|Before/.test(step) || (/At|To$/.test(step) && args.length > 1));
  }

  async settle() {}

  async listen({ listen, path, query }) {
    this.#listeners.set(listen, { path, params: parameters(query) });
    return null;
  }
  unlisten(id) {
    this.#listeners.delete(id);
  }
  /** What the listener would see, as the events of an SDK end with it. */
  async sees(id) {
    const { path, params } = this.#listeners.get(id);
    const response = await this.#ask('GET', path, { params: { ...params, format: 'export' } });
    if (!response.ok) throw new Error(`GET ${path} ${JSON.stringify(params)}: ${response.status} ${await response.text()}`);
    const json = this.names.plain(await response.json());
    return Object.keys(params).length > 0 && canonical(json) === '{}' ? null : json; // so REST says that nothing is in the window
  }

  async write(step) {
    const response = await this.#apply(step);
    const text = await response.text();
    if (!response.ok) throw new Error(`${JSON.stringify(step)}: ${response.status} ${text}`);
    if (step.write === 'push') this.names.learn(step.key, JSON.parse(text).name);
  }

  #apply(step) {
    switch (step.write) {
      case 'set':
        return this.#ask('PUT', step.path, { body: this.names.realIn(step.value) });
      case 'remove':
        return this.#ask('DELETE', step.path);
      case 'update':
        return this.#ask('PATCH', step.path, { body: this.names.realIn(step.updates) });
      case 'push':
        return this.#ask('POST', step.path, { body: step.value });
      case 'priority':
        return this.#ask('PUT', `${step.path}/.priority`, { body: step.priority });
      case 'stamp':
        return this.#ask('PUT', step.path, { body: { at: { '.sv': 'timestamp' }, once: step.once } });
      case 'increment':
        return this.#ask('PUT', step.path, { body: { '.sv': { increment: step.by } } });
      case 'transaction':
        return this.#transaction(step);
    }
  }

  async #transaction({ path, kind }) {
    const read = await this.#ask('GET', path, { params: { format: 'export' }, headers: { 'X-Firebase-ETag': 'true' } });
    const now = await read.json();
    const made = TRANSACTIONS[kind](plain(now));
    const priority = now?.['.priority'] ?? null;
    const kept = made === null || priority === null ? made
      : typeof made === 'object' ? { ...made, '.priority': priority } : { '.value': made, '.priority': priority };
    return this.#ask('PUT', path, { body: kept, headers: { 'if-match': read.headers.get('etag') } });
  }

  async stored() {
    const response = await this.#ask('GET', '', { params: { format: 'export' } });
    return this.names.plain(await response.json());
  }

  close() {}
}

const ORDERS = { orderByKey: '$key', orderByValue: '$value', orderByPriority: '$priority' };

/** The parameters of REST for the steps of an SDK's query. An order alone changes nothing there. */
function parameters(query) {
  const params = {};
  if (query.every(([step]) => step.startsWith('orderBy'))) return params;
  for (const [step, value] of query) {
    if (step.startsWith('orderBy')) params.orderBy = JSON.stringify(ORDERS[step] ?? value);
    else params[step] = JSON.stringify(value);
  }
  if (!params.orderBy) params.orderBy = '"$priority"';
  return params;
}
