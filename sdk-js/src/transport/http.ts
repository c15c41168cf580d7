// The two kinds of exchange a session has: a POST with JSON, and a GET whose answer is an event stream.
//
// Neither needs a preflight: no header is set that a page may not send on its own.

import { SseParser, type StreamEvent } from './sse.ts';

/** The server answered, but not with success. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    body: string,
    /** In the server's words. */
    readonly reason: string = /"error"\s*:\s*"([^"]*)/.exec(body)?.[1] ?? body,
  ) {
    super(`${status} ${body}`);
  }
}

/** POSTs `body` and gives the text of the answer. Rejects with `HttpError`, or with the error of `fetch`. */
export async function post(url: string, body: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { method: 'POST', body, credentials: 'omit', signal });
  const text = await response.text();
  if (!response.ok) throw new HttpError(response.status, text);
  return text;
}

/**
 * Reads an event stream to its end, which may be soon: also when nothing is heard for `silenceMs`, or when `stop` is
 * aborted. Rejects with `HttpError`, or with the error of `fetch`.
 */
export async function readEvents(
  url: string,
  stop: AbortController,
  silenceMs: number,
  onEvent: (event: StreamEvent) => void,
): Promise<void> {
  const { signal } = stop;
  let silence: ReturnType<typeof setTimeout> | undefined;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => stop.abort(), silenceMs);
  };
  heard();
  try {
    const headers = { accept: 'text/event-stream' };
    const response = await fetch(url, { headers, signal, cache: 'no-store', credentials: 'omit' });
    if (!response.ok) throw new HttpError(response.status, await response.text());
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    const parser = new SseParser();
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      heard();
      for (const event of parser.push(decoder.decode(chunk.value, { stream: true }))) {
        if (!signal.aborted) onEvent(event);
      }
    }
  } finally {
    clearTimeout(silence);
  }
}
