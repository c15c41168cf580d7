// A client of one scenario: all its places lie below the scenario's own root, so that scenarios share a server.

let barriers = 0;

export class Rooted {
  #native;
  #root;

  /** `wire` is the cable of this client, whose calls may be asynchronous (in a page they go to Node). */
  constructor(native, root, wire) {
    this.#native = native;
    this.#root = root;
    this.wire = wire;
  }

  get timestamp() {
    return this.#native.timestamp;
  }

  increment(by) {
    return this.#native.increment(by);
  }

  place(path = '') {
    return this.#native.place(path ? `${this.#root}/${path}` : this.#root);
  }

  /** `.info/<what>` of the SDK. */
  info(what) {
    return this.#native.place(`.info/${what}`);
  }

  goOffline() {
    this.#native.goOffline();
  }

  goOnline() {
    this.#native.goOnline();
  }

  /**
   * Resolves when all that the server had for this client before the call has arrived: a question and its answer go the
   * same way, behind it.
   */
  async settled() {
    await this.#native.place(`${this.#root}-barriers/${barriers++}`).once();
  }

  async close() {
    await this.#native.close();
    await this.wire.close();
  }
}
