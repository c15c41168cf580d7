// The same operations judged by targaryen and by the server, and what they disagree about.

import http from 'node:http';
import { createRequire } from 'node:module';
import { canonical } from '../../node/support/check.js';
import { Maker } from './grammar.js';

const require = createRequire(import.meta.url);
const { create: database, ruleset, store } = require('targaryen/lib/database');

/** One database of a server, on connections that stay open. */
export class Server {
  #agent = new http.Agent({ keepAlive: true });

  constructor(port, namespace) {
    this.port = port;
    this.namespace = namespace;
  }

  /** Status and text of the answer to a request, as the administrator or as whoever has this `auth`. */
  ask(method, path, body, { auth, query = '' } = {}) {
    const admin = auth === null ? '' : '&access_token=owner';
    const as = auth ? `&auth_variable_override=${encodeURIComponent(JSON.stringify(auth))}` : '';
    const target = `/${path}.json?ns=${this.namespace}${admin}${as}${query}`;
    return new Promise((done, failed) => {
      const request = http.request({ host: '127.0.0.1', port: this.port, method, path: target, agent: this.#agent });
      request.on('error', failed);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece) => (text += piece));
        response.on('end', () => done({ status: response.statusCode, text }));
      });
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Whether it takes the rules. */
  async takes(rules) {
    const { status, text } = await this.ask('PUT', '.settings/rules', { rules });
    if (status !== 200 && status !== 400) throw new Error(`rules: ${status} ${text}`);
    return { ok: status === 200, text };
  }

  async seed(data) {
    const { status, text } = await this.ask('PUT', '', data);
    if (status !== 200) throw new Error(`seed: ${status} ${text}`);
  }

  async stored() {
    return JSON.parse((await this.ask('GET', '')).text);
  }

  async allows({ auth, path, ...step }) {
    const ask = (method, body, query) => this.ask(method, path, body, { auth, query });
    const answer = await ('read' in step ? ask('GET', undefined, parameters(step.read))
      : 'write' in step ? ask('PUT', step.write) : ask('PATCH', step.update));
    if (answer.status === 200 || answer.text.includes('Index not defined')) return true;
    if (answer.status === 401) return false;
    throw new Error(`${JSON.stringify({ auth, path, ...step })}: ${answer.status} ${answer.text}`);
  }

  close() {
    this.#agent.destroy();
  }
}

function parameters(seen) {
  const orders = { orderByKey: '$key', orderByValue: '$value', orderByPriority: '$priority' };
  return Object.entries(seen).map(([name, value]) => {
    const [key, text] = name.startsWith('orderBy') ? ['orderBy', orders[name] ?? value] : [name, value];
    return `&${key}=${encodeURIComponent(JSON.stringify(text))}`;
  }).join('');
}

/** What targaryen makes of rules: them, or what it finds wrong. */
function parsed(rules) {
  try {
    return { ok: true, rules: ruleset({ rules }) };
  } catch (error) {
    return { ok: false, text: error.message };
  }
}

/** The verdict of targaryen, and the tree afterwards. */
function verdict(rules, root, { auth, path, ...step }) {
  const before = database(rules, root).as(auth);
  const now = Date.now();
  const query = 'read' in step && Object.keys(step.read).length ? step.read : undefined;
  const result = 'read' in step ? before.read(`/${path}`, { query, now })
    : 'write' in step ? before.write(`/${path}`, step.write) : before.update(`/${path}`, step.update);
  const isDone = result.allowed && !('read' in step);
  return { allowed: result.allowed, root: isDone ? result.newDatabase.root : root, told: result.info };
}

/** Whether it writes below a leaf what targaryen gets wrong: nothing, or below one with a priority. See README.md. */
function misleads(root, { path, ...step }) {
  const places = 'write' in step ? { '': step.write } : step.update ?? {};
  return Object.entries(places).some(([place, value]) => {
    const keys = `${path}/${place}`.split('/').filter(Boolean);
    const above = keys.map((_, depth) => root.$child(keys.slice(0, depth).join('/')));
    const leaf = above.find((node) => node.$isPrimitive() && !node.$isNull());
    return leaf && (isNothing(value) || leaf.$priority() != null);
  });
}

const isNothing = (value) =>
  value === null || (typeof value === 'object' && !('.value' in value) && Object.values(value).every(isNothing));

/** What is counted over all sequences. */
export const counts = () => ({ evaluations: 0, allowed: 0, sequences: 0, refused: 0 });

/** Runs a sequence; gives null, or what the two disagree about first. */
export async function compare(server, { rules, data, steps }, count = counts()) {
  const [ours, theirs] = [await server.takes(rules), parsed(rules)];
  if (ours.ok !== theirs.ok) {
    const text = (said) => (said.ok ? 'ok' : said.text);
    return { rules, what: `the server says ${text(ours)}, targaryen ${text(theirs)}` };
  }
  count.sequences++;
  if (!ours.ok) {
    count.refused++;
    return null;
  }
  await server.seed(data);
  let root = store(data);
  for (const step of steps) {
    if (misleads(root, step)) continue;
    const expected = verdict(theirs.rules, root, step);
    const allowed = await server.allows(step);
    count.evaluations++;
    if (allowed) count.allowed++;
    if (allowed !== expected.allowed) {
      const what = `the server ${allowed ? 'allows' : 'denies'} it, targaryen says:\n${expected.told}`;
      return { rules, data: exported(root), step, what };
    }
    root = expected.root;
  }
  const [is, should] = [canonical(await server.stored()), canonical(plain(root))];
  return is === should ? null : { rules, data, steps, what: `stored is ${is}, targaryen has ${should}` };
}

const plain = (root) => root.$value();

/** The tree with its priorities. */
function exported(node) {
  if (!node.$isPrimitive()) return Object.fromEntries(Object.keys(node).map((key) => [key, exported(node[key])]));
  const [value, priority] = [node.$value(), node.$priority()];
  return priority == null ? value : { '.value': value, '.priority': priority };
}

/** The same disagreement with as few rules as possible, told. */
async function explain(server, found) {
  const { what, ...least } = await smaller(server, found);
  return [what, ...Object.entries(least).map(([name, value]) => `${name} ${JSON.stringify(value)}`)].join('\n');
}

async function smaller(server, found) {
  const steps = found.step ? [found.step] : found.steps ?? [];
  for (const path of members(found.rules)) {
    const rules = without(found.rules, path);
    const still = rules && (await compare(server, { rules, data: found.data ?? null, steps }).catch(() => null));
    if (still) return smaller(server, still);
  }
  return found;
}

/** The paths of all rules and places in rules. */
const members = (rules) =>
  Object.entries(rules).flatMap(([key, below]) => {
    const inner = typeof below === 'object' ? members(below) : [];
    return [[key], ...inner.map((path) => [key, ...path])];
  });

function without(rules, [key, ...rest]) {
  const { [key]: below, ...others } = rules;
  if (rest.length) return { ...others, [key]: without(below, rest) };
  return Object.keys(others).length ? others : null;
}

/** Runs the sequences of `total` seeds from `first` on, many at once. Gives the disagreements, told, and counts. */
export async function runSeeds(port, first, total, { atOnce = 16, most = 3 } = {}) {
  const count = counts();
  const told = [];
  let next = first;
  const worker = async (number) => {
    const server = new Server(port, `w${number}`);
    while (next < first + total && told.length < most) {
      const seed = next++;
      const found = await compare(server, new Maker(seed).sequence(), count);
      if (found) told.push(`SEED=${seed} N=1: ${await explain(server, found)}`);
    }
    server.close();
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, total) }, (_, number) => worker(number)));
  return { told, count };
}
