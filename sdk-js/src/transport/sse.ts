// The text of an event stream, cut into events. Text in, events out; no socket.
//
// Each character is looked at once, however small the pieces are in which a large event arrives.
// Source: HTML standard, "Server-sent events".

export interface StreamEvent {
  readonly event: string;
  readonly data: string;
  /** Absent if the event does not move the position. */
  readonly id?: string;
}

export class SseParser {
  /** Pieces of the line that has not ended yet. */
  #line: string[] = [];
  /** The last piece ended in CR: an LF right after it belongs to the same line end. */
  #afterCr = false;
  #event = '';
  #data: string[] = [];
  #id: string | undefined;

  /** Takes the next piece of text and gives the events that it completes. */
  push(text: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    let start = this.#afterCr && text.startsWith('\n') ? 1 : 0;
    if (text !== '') this.#afterCr = text.endsWith('\r');
    const lineEnd = /\r\n?|\n/g;
    lineEnd.lastIndex = start;
    for (let end = lineEnd.exec(text); end !== null; end = lineEnd.exec(text)) {
      this.#line.push(text.slice(start, end.index));
      start = lineEnd.lastIndex;
      const event = this.#take(this.#line.join(''));
      this.#line = [];
      if (event) events.push(event);
    }
    if (start < text.length) this.#line.push(text.slice(start));
    return events;
  }

  #take(line: string): StreamEvent | null {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return null; // a comment
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id') this.#id = value;
    return null;
  }

  #dispatch(): StreamEvent | null {
    const [event, data, id] = [this.#event, this.#data, this.#id];
    this.#event = '';
    this.#data = [];
    this.#id = undefined;
    if (data.length === 0) return null;
    return { event: event || 'message', data: data.join('\n'), ...(id !== undefined && { id }) };
  }
}
