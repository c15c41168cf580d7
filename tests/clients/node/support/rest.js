// The other way by which a sequence reaches the server: REST and its event streams.

import { until } from '../../../browser/support/wait.js';
import { Names } from './channels.js';
import { canonical } from './check.js';
import { exported, parse, put } from './model.js';
import { plain, TRANSACTIONS } from './sequence.js';

const STREAM_MS = 10_000;

/** REST: each write a request, each listener an event stream, and when one looks, a query as well. */
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

  async #ask(method, path, { body, params = {}, ...more } = {}) {
    const keys = this.names.real(path ? `${this.#root}/${path}` : this.#root).split('/');
    const place = keys.map(encodeURIComponent).join('/');
    const query = new URLSearchParams({ ns: this.#channel.ns, ...params });
    const text = body === undefined ? undefined : JSON.stringify(body);
    return fetch(`${this.#channel.url}/${place}.json?${query}`, { method, body: text, ...more });
  }

  /** Bounds with a key, and exclusive ones, exist only in SDKs. */
  can(query) {
    return !query.some(([step, ...args]) => /After|Before/.test(step) || (/At|To$/.test(step) && args.length > 1));
  }

  async settle() {}

  async listen({ listen, path, query }) {
    const params = { ...parameters(query), format: 'export' };
    const abort = new AbortController();
    const headers = { Accept: 'text/event-stream' };
    const response = await this.#ask('GET', path, { params, headers, signal: abort.signal });
    if (!response.ok) throw new Error(`the stream of ${path}: ${response.status} ${await response.text()}`);
    const listener = { path, params, abort, stream: new Stream(response.body) };
    this.#listeners.set(listen, listener);
    return [['value', null, await this.#next(listener)]];
  }

  unlisten(id) {
    this.#listeners.get(id)?.abort.abort(); // one that REST cannot do was never begun
    this.#listeners.delete(id);
  }

  /** What the stream has told, as value events; waits for as many as are expected. And what a query reads now. */
  async heard(id, events) {
    const listener = this.#listeners.get(id);
    const heard = [];
    for (const [event] of events) {
      if (event === 'value') heard.push(['value', null, await this.#next(listener)]);
    }
    const more = listener.stream.states.splice(0).map((state) => ['value', null, this.names.plain(state)]);
    return [...heard, ...more, ['read', null, await this.#read(listener)]];
  }

  /** What an SDK's events are over REST. */
  expects(events, sees) {
    const told = events.filter(([event]) => event === 'value').map(([, , value]) => ['value', null, value]);
    return [...told, ['read', null, sees]];
  }

  async #next({ path, stream }) {
    const what = `the next event of the stream of ${path}`;
    await until(what, () => stream.states.length > 0, { timeoutMs: STREAM_MS });
    return this.names.plain(stream.states.shift());
  }

  async #read({ path, params }) {
    const response = await this.#ask('GET', path, { params });
    if (!response.ok) throw new Error(`${path} ${JSON.stringify(params)}: ${response.status} ${await response.text()}`);
    const json = this.names.plain(await response.json());
    // REST says `{}` of a window in which nothing is, if there is anything outside of it.
    return 'orderBy' in params && canonical(json) === '{}' ? null : json;
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
    const own = made !== null && typeof made === 'object' ? made : { '.value': made };
    const kept = made === null || priority === null ? made : { ...own, '.priority': priority };
    return this.#ask('PUT', path, { body: kept, headers: { 'if-match': read.headers.get('etag') } });
  }

  async stored() {
    const response = await this.#ask('GET', '', { params: { format: 'export' } });
    return this.names.plain(await response.json());
  }

  close() {
    for (const { abort } of this.#listeners.values()) abort.abort();
  }
}

/** An event stream, applied to a copy of what it shows: `states` are the exports after each event. */
class Stream {
  states = [];
  #sees = null;
  #text = '';

  constructor(body) {
    this.#follow(body.pipeThrough(new TextDecoderStream())).catch(() => {}); // it ends when the listener aborts it
  }

  async #follow(texts) {
    for await (const text of texts) {
      const events = (this.#text + text).split('\n\n');
      this.#text = events.pop();
      for (const event of events) this.#take(event);
    }
  }

  #take(text) {
    const [, event, json] = /^event: (.*)\ndata: (.*)$/.exec(text) ?? [];
    if (event === 'put' || event === 'patch') {
      const { path, data } = JSON.parse(json);
      const changes = event === 'put' ? [['', data]] : Object.entries(data);
      for (const [below, value] of changes) {
        const keys = `${path}/${below}`.split('/').filter((key) => key !== '');
        this.#sees = put(this.#sees, keys, parse(value));
      }
      this.states.push(exported(this.#sees));
    } else if (event !== 'keep-alive') {
      this.states.push({ unexpected: text });
    }
  }
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
