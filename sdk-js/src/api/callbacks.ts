// Both ways an application learns of an end: Node style callbacks, as in the 2.x SDK, and promises.

/** `callback(error)`: the error is `null` if all went well. */
export type OnComplete = (error: Error | null) => void;

export interface Answer<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

/** A promise whose rejection may be ignored: whoever uses callbacks, or nothing, never looks at it. */
export function answer<T>(): Answer<T> {
  const answer = {} as { -readonly [K in keyof Answer<T>]: Answer<T>[K] };
  answer.promise = new Promise((resolve, reject) => Object.assign(answer, { resolve, reject }));
  answer.promise.catch(() => {});
  return answer;
}

/** Calls into the application. Its exceptions are its own: they surface as uncaught, and the SDK goes on. */
export function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}

/** The error of a server's reply, with a `code` as in the 2.x SDK. */
export function serverError(text: string): Error & { code: string } {
  const code = text.split(':')[0]!.trim().replace(/\W+/g, '_').toUpperCase();
  return Object.assign(new Error(text), { code });
}
