// A server for tests: speaks docs/sessions.md, in this process, in memory, with levers to pull.

import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJson, fromJson, type Json } from '../../src/core/json.ts';
import { Node } from '../../src/core/node.ts';
import { below, type Path, parsePath, pathText } from '../../src/core/path.ts';
import type { Op } from '../../src/core/pending.ts';
import { type Bound, isWhole, type Query, select } from '../../src/core/query.ts';

interface PeerSession {
  readonly id: string;
  stream: ServerResponse | null;
  /** The token that the stream was opened with. */
  token: string | null;
  readonly listens: Map<string, { path: Path; query: Query }>;
  /** Events with their position, for a resume. */
  readonly told: { seq: number; text: string }[];
  readonly replies: Map<number, Json>;
  readonly onDisconnect: Map<string, Json>;
  acked: number;
}

export class Peer {
  data: Node = Node.EMPTY;
  /** Every request of every POST, without `n`, in order. */
  readonly requests: Json[] = [];
  readonly sessions: Map<string, PeerSession> = new Map();
  /** Paths at and below which nothing may be read or written. */
  readonly denied: Set<string> = new Set();
  /** The tokens that are taken, and what the server makes of them. */
  readonly tokens: Map<string, { auth: Json; expires?: number }> = new Map();
  /** The token of each of `requests`. */
  readonly askedBy: (string | null)[] = [];
  /** The tokens of the streams that were asked for, refused ones too. */
  readonly streamTokens: (string | null)[] = [];
  /** While set, POSTs wait for it before they are handled. */
  gate: Promise<void> = Promise.resolve();
  /** How many POSTs to handle but leave without an answer. */
  answersToLose = 0;
  /** Server clock minus the real one. */
  clockAhead = 0;
  /** Called before each conditional write. */
  beforeConditional: (() => void) | null = null;
  #seq = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<Peer> {
    const peer = new Peer();
    await new Promise<void>((resolve) => peer.#server.listen(0, '127.0.0.1', resolve));
    return peer;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Breaks all streams; the sessions stay. */
  breakStreams(): void {
    for (const session of this.sessions.values()) session.stream?.destroy();
  }

  /** As after a restart: no session survives. */
  forgetSessions(): void {
    const streams = [...this.sessions.values()].map(({ stream }) => stream);
    this.sessions.clear();
    for (const stream of streams) stream?.destroy();
  }

  /** Ends a token: its streams are told, and it is taken no more. */
  revoke(token: string): void {
    this.tokens.delete(token);
    for (const { stream, token: its } of this.sessions.values()) {
      if (its === token) stream?.end('event: auth_revoked\ndata: expired_token: credential is no longer valid\n\n');
    }
  }

  /** A write by somebody else. */
  set(path: string, json: Json): void {
    this.#write([[parsePath(path), json]]);
  }

  update(path: string, json: Json): void {
    this.#write(Object.keys(json).map((key) => [[...parsePath(path), ...parsePath(key)], json[key]]));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('access-control-allow-origin', '*');
    const url = new URL(request.url ?? '', this.origin);
    const [, , , id, verb] = url.pathname.split('/');
    const session = this.sessions.get(id ?? '');
    const token = url.searchParams.get('auth');
    if (request.method === 'GET') this.streamTokens.push(token);
    if (token !== null && !this.tokens.has(token)) {
      return this.#answer(response, 401, { error: 'invalid_token: Could not parse auth token.' });
    }
    if (id && !session) return this.#answer(response, 404, { error: 'no such session' });
    if (request.method === 'GET') {
      return this.#stream(response, session ?? null, url.searchParams.get('lastEventId'), token);
    }
    const body = await text(request);
    await this.gate;
    if (!session || !this.sessions.has(session.id)) return this.#answer(response, 404, { error: 'no such session' });
    const replies = JSON.parse(body || '[]').map((asked: Json) => this.#once(session, asked, token));
    if (verb === 'close') return this.#close(session, response);
    if (this.answersToLose-- > 0) return void response.destroy();
    this.answersToLose = 0;
    this.#answer(response, 200, { replies });
  }

  #answer(response: ServerResponse, status: number, body: Json): void {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  #close(session: PeerSession, response: ServerResponse): void {
    this.sessions.delete(session.id);
    session.stream?.end();
    this.#write([...session.onDisconnect].map(([path, json]) => [parsePath(path), json]));
    this.#answer(response, 204, {});
  }

  #stream(response: ServerResponse, known: PeerSession | null, lastEventId: string | null, token: string | null): void {
    const session = known ?? this.#newSession();
    session.stream?.end();
    session.stream = response;
    session.token = token;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const resumed = known !== null;
    const hello = {
      session: session.id,
      time: Date.now() + this.clockAhead,
      grace: 10_000,
      resumed,
      ...this.tokens.get(token ?? ''),
    };
    response.write(eventText('hello', hello, resumed ? undefined : this.#seq));
    if (!resumed) return;
    const seen = Number(lastEventId?.split('-')[1]);
    for (const { seq, text } of session.told) if (seq > seen) response.write(text);
    if (session.acked > 0) response.write(eventText('ack', { n: session.acked }));
  }

  #newSession(): PeerSession {
    const id = randomUUID();
    const session: PeerSession = {
      id,
      stream: null,
      token: null,
      listens: new Map(),
      told: [],
      replies: new Map(),
      onDisconnect: new Map(),
      acked: 0,
    };
    this.sessions.set(id, session);
    return session;
  }

  #once(session: PeerSession, { n, ...request }: Json, token: string | null): Json {
    const repeated = session.replies.get(n);
    if (repeated) return repeated;
    this.requests.push(request);
    this.askedBy.push(token);
    const reply = { n, ...this.#handle(session, request) };
    session.replies.set(n, reply);
    session.acked = n;
    session.stream?.write(eventText('ack', { n }));
    return reply;
  }

  #handle(session: PeerSession, request: Json): Json {
    const [verb, target] = Object.entries(request)[0] as [string, string];
    const { path, query } = parseTarget(target);
    if ([...this.denied].some((place) => below(path, parsePath(place)))) {
      return { status: 'error', error: 'permission_denied' };
    }
    if (verb === 'listen') {
      session.listens.set(target, { path, query });
      const data = exportJson(select(this.data.at(path), query));
      session.stream?.write(eventText('put', { key: target, path: '/', data }));
    } else if (verb === 'unlisten') session.listens.delete(target);
    else if (verb === 'get') {
      return { status: 'ok', data: exportJson(select(this.data.at(path), query)), etag: this.#etag(path) };
    } else if (verb === 'set') {
      if (request.ifMatch !== undefined) {
        this.beforeConditional?.();
        const etag = this.#etag(path);
        if (etag !== request.ifMatch) return { status: 'stale', data: exportJson(this.data.at(path)), etag };
      }
      this.#write([[path, request.data]]);
    } else if (verb === 'update') this.update(pathText(path), request.data);
    else if (verb === 'onDisconnectSet') session.onDisconnect.set(pathText(path), request.data);
    else if (verb === 'onDisconnectCancel') session.onDisconnect.delete(pathText(path));
    return { status: 'ok' };
  }

  #etag(path: Path): string {
    return JSON.stringify(exportJson(this.data.at(path)));
  }

  #write(places: readonly (readonly [Path, Json])[]): void {
    const before = this.data;
    const now = Date.now() + this.clockAhead;
    const ops = places.map(([path, json]): Op => [path, fromJson(json, { now, existing: () => before.at(path) })]);
    for (const [path, node] of ops) this.data = this.data.with(path, node);
    if (this.data.equals(before)) return;
    this.#seq += 1;
    for (const session of this.sessions.values()) {
      for (const [key, { path, query }] of session.listens) {
        const news = isWhole(query)
          ? this.#changes(path, ops)
          : this.#window(before.at(path), this.data.at(path), query);
        if (!news) continue;
        const told = eventText(news.event, { key, ...news.data }, this.#seq);
        session.told.push({ seq: this.#seq, text: told });
        session.stream?.write(told);
      }
    }
  }

  #changes(path: Path, ops: readonly Op[]): { event: string; data: Json } | null {
    const [above] = ops.filter(([place]) => below(path, place));
    if (above) return { event: 'put', data: { path: '/', data: exportJson(this.data.at(path)) } };
    const inside = ops.map(([place]) => below(place, path)).filter((rest) => rest !== null);
    const values = inside.map((rest) => [rest.join('/'), exportJson(this.data.at([...path, ...rest]))] as const);
    if (values.length === 0) return null;
    if (values.length > 1) return { event: 'patch', data: { path: '/', data: Object.fromEntries(values) } };
    return { event: 'put', data: { path: pathText(inside[0]!), data: values[0]![1] } };
  }

  #window(before: Node, after: Node, query: Query): { event: string; data: Json } | null {
    const [old, now] = [select(before, query), select(after, query)];
    const keys = [...new Set([...old.children.keys(), ...now.children.keys()])];
    const changed = keys.filter((key) => !old.child(key).equals(now.child(key)));
    const data = Object.fromEntries(changed.map((key) => [key, exportJson(now.child(key))]));
    return changed.length === 0 ? null : { event: 'patch', data: { path: '/', data } };
  }
}

function eventText(event: string, data: Json, seq?: number): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n${seq === undefined ? '' : `id: e-${seq}\n`}\n`;
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** A listen text: written anew from the page of the protocol, not from `core/query.ts`. */
function parseTarget(target: string): { path: Path; query: Query } {
  const [place = '', parameters = ''] = target.split(/\?(.*)/s);
  const path = parsePath(place).map(decodeURIComponent);
  const given = new Map(parameters.split('&').map((part) => [part.split('=')[0], part.slice(part.indexOf('=') + 1)]));
  const index = JSON.parse(given.get('orderBy') ?? '"$priority"');
  const bound = (name: string): Bound | undefined => {
    const text = given.get(name) ?? given.get('equalTo');
    if (text === undefined) return undefined;
    const [value, key] = JSON.parse(`[${text}]`);
    if (index === '$key') return { value: null, key: value };
    return key === undefined ? { value } : { value, key };
  };
  const [start, end] = [bound('startAt'), bound('endAt')];
  const [first, last] = [given.get('limitToFirst'), given.get('limitToLast')];
  return {
    path,
    query: {
      index,
      ...(start && { start }),
      ...(end && { end }),
      ...(first && { limit: Number(first), from: 'first' as const }),
      ...(last && { limit: Number(last), from: 'last' as const }),
    },
  };
}
