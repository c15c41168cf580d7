// The cable between one client and the server: a TCP proxy on a port of its own. It can be cut and plugged in again,
// and it counts the data the server pushes. The server echoes the Host it was asked for, so reconnections come here as
// well.

import { connect, createServer } from 'node:net';

/** The first line of a request, up to the version. */
const REQUEST = /^(?:GET|POST) (\S+) HTTP/gm;

/** A data push on the wire, in a WebSocket message or (perhaps as a quoted string) in a long-poll script. */
const PUSH = /\\?"a\\?":\\?"(?:d|m|rm)\\?"/g;
const PUSH_CHARACTERS_MAX = 12;
const FAREWELL_MS = 1_000;

export class Wire {
  #server;
  #sockets = new Set();
  #blocked = false;
  #end = ''; // of what was received last: a push may lie across two pieces

  #pushes = 0;
  #bytes = 0;
  #requests = [];

  /** A cable to `port` of this machine. */
  static async open(port) {
    const wire = new Wire();
    wire.#server = createServer((near) => wire.#join(near, port));
    await new Promise((listening) => wire.#server.listen(0, '127.0.0.1', listening));
    wire.port = wire.#server.address().port;
    return wire;
  }

  #join(near, port) {
    if (this.#blocked) return near.destroy();
    const far = connect({ host: '127.0.0.1', port, noDelay: true });
    near.setNoDelay(true);
    far.on('data', (piece) => this.#count(piece));
    near.on('data', (piece) => {
      for (const [, target] of piece.toString('latin1').matchAll(REQUEST)) this.#requests.push(target);
    });
    near.pipe(far);
    far.pipe(near);
    for (const [socket, other] of [[near, far], [far, near]]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }

  #count(piece) {
    this.#bytes += piece.length;
    const text = this.#end + piece.toString('latin1');
    let last = 0;
    for (const match of text.matchAll(PUSH)) {
      this.#pushes++;
      last = match.index + match[0].length;
    }
    this.#end = text.slice(Math.max(last, text.length - PUSH_CHARACTERS_MAX));
  }

  /** How many data pushes the server has sent so far. */
  pushes() {
    return this.#pushes;
  }

  /** How many bytes the server has sent so far. */
  bytes() {
    return this.#bytes;
  }

  /** What the client has asked for so far: path and query of each request. */
  requests() {
    return this.#requests;
  }

  /** Breaks all connections without a farewell, as a network does. The client may come back at once. */
  cut() {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Cuts, and lets nobody through until `unblock`. */
  block() {
    this.#blocked = true;
    this.cut();
  }

  unblock() {
    this.#blocked = false;
  }

  /** Takes the cable away, after a moment for what the client says last: 2.4.2 throws if its farewell fails. */
  async close() {
    const end = Date.now() + FAREWELL_MS;
    const isIdle = () => this.#sockets.size === 0 || Date.now() > end;
    while (!isIdle()) await new Promise((soon) => setTimeout(soon, 2));
    this.block();
    await new Promise((closed) => this.#server.close(closed));
  }
}
