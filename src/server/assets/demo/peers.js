// Direct links between the people of a room: one RTCPeerConnection with one data channel per pair.
//
// Of each pair the one with the smaller id offers, so the two never offer at once. Every try has a session number; what
// belongs to an older try is ignored, and so is what the signaling channel replays from before this page was loaded, for
// it is addressed to ids that are no more. Knows nothing of the page, and of the database only `send`.

const OPEN_TIMEOUT_MS = 10_000;
const AGAIN_MS = 2_000;
const TRIES_MAX = 5;

export class Peers {
  #me;
  #send;
  #on;
  #iceServers;
  #links = new Map();
  #present = new Set();

  /**
   * `me` is this page's id. `send(message)` hands a message to the signaling channel.
   * `on` has `state(id, state)`, state being 'linking', 'open', 'closed' or 'failed', and `text(id, text)`.
   * Without `iceServers` the two must reach each other directly: same machine, same network.
   */
  constructor({ me, send, on, iceServers = [] }) {
    this.#me = me;
    this.#send = send;
    this.#on = on;
    this.#iceServers = iceServers;
  }

  /** Someone came into the room: begin, if it is this side's turn to. */
  meet(id) {
    this.#present.add(id);
    if (this.#me < id && !this.#links.has(id)) this.#offer(id, 1);
  }

  /** Someone's presence is gone. A link that still works outlives that: a restarted server parts nobody. */
  part(id) {
    this.#present.delete(id);
    const link = this.#links.get(id);
    const works = link?.channel?.readyState === 'open' && link.pc.connectionState === 'connected';
    if (link && !works) this.#end(link, 'closed');
  }

  /** Ends every link, so that the others need not find out by silence. */
  close() {
    this.#present.clear();
    for (const link of [...this.#links.values()]) this.#end(link, 'closed');
  }

  /** The number of people that `say` reaches. */
  get open() {
    return [...this.#links.values()].filter((link) => link.channel?.readyState === 'open').length;
  }

  /** Sends `text` to everyone with an open link. */
  say(text) {
    for (const { channel } of this.#links.values()) if (channel?.readyState === 'open') channel.send(text);
  }

  /** Takes a message from the signaling channel. Those for others, from oneself, or of an older try change nothing. */
  receive({ to, from, session, type, sdp, candidate }) {
    if (to !== this.#me) return;
    let link = this.#links.get(from);
    if (type === 'offer' && link?.session !== session) {
      if (link) this.#end(link, 'linking');
      link = this.#link(from, session);
      link.pc.ondatachannel = ({ channel }) => this.#use(link, channel);
    }
    if (!link || link.session !== session) return;
    if (type === 'offer') {
      this.#step(link, async ({ pc }) => {
        await pc.setRemoteDescription({ type, sdp });
        await pc.setLocalDescription();
        this.#tell(link, { type: 'answer', sdp: pc.localDescription.sdp });
      });
    } else if (type === 'answer') {
      this.#step(link, ({ pc }) => pc.setRemoteDescription({ type, sdp }));
    } else if (type === 'candidate') {
      this.#step(link, ({ pc }) => pc.addIceCandidate(candidate));
    }
  }

  #offer(id, tries) {
    const link = this.#link(id, crypto.getRandomValues(new Uint32Array(1))[0]);
    this.#use(link, link.pc.createDataChannel('chat'));
    this.#step(link, async ({ pc }) => {
      await pc.setLocalDescription();
      this.#tell(link, { type: 'offer', sdp: pc.localDescription.sdp });
    });
    link.again = () => {
      const last = tries >= TRIES_MAX;
      this.#end(link, last ? 'failed' : 'linking');
      if (!last) this.#offer(id, tries + 1);
    };
    link.timer = setTimeout(link.again, OPEN_TIMEOUT_MS);
  }

  #link(id, session) {
    const pc = new RTCPeerConnection({ iceServers: this.#iceServers });
    const link = { id, session, pc, channel: null, timer: 0, again: null, steps: Promise.resolve() };
    this.#links.set(id, link);
    this.#on.state(id, 'linking');
    pc.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) this.#tell(link, { type: 'candidate', candidate: candidate.toJSON() });
    };
    pc.onconnectionstatechange = () => {
      const gone = pc.connectionState === 'disconnected' && !this.#present.has(id); // silent, and away by all accounts
      if (pc.connectionState === 'failed' && link.channel?.readyState !== 'open' && link.again) link.again();
      else if (pc.connectionState === 'failed' || gone) this.#end(link, 'closed');
    };
    return link;
  }

  #use(link, channel) {
    link.channel = channel;
    channel.onopen = () => {
      clearTimeout(link.timer);
      this.#on.state(link.id, 'open');
    };
    channel.onmessage = ({ data }) => this.#on.text(link.id, data);
    channel.onclose = () => this.#end(link, 'closed');
  }

  // One after the other: a candidate that overtakes its offer would be refused.
  #step(link, work) {
    link.steps = link.steps
      .then(() => this.#links.get(link.id) === link && work(link))
      .catch((error) => console.warn('WebRTC:', error.message));
  }

  #tell(link, message) {
    if (this.#links.get(link.id) !== link) return;
    this.#send({ to: link.id, from: this.#me, session: link.session, ...message });
  }

  #end(link, state) {
    if (this.#links.get(link.id) !== link) return;
    clearTimeout(link.timer);
    this.#links.delete(link.id);
    link.pc.close();
    this.#on.state(link.id, state);
    // A link that broke although both are still here is made again.
    if (state === 'closed' && this.#present.has(link.id)) {
      setTimeout(() => this.#present.has(link.id) && this.meet(link.id), AGAIN_MS);
    }
  }
}
