// Paths: places in the tree, as lists of keys. What a key may contain is checked in `validate.ts`.

/** Keys from the root down; none for the root. */
export type Path = readonly string[];

/** Data that only the client knows lives below this key; nothing of it goes over the wire. */
export const INFO = '.info';

/** Splits at `/`; empty segments are dropped, so `//a///b/` is `/a/b`. */
export function parsePath(text: string): Path {
  return text.split('/').filter((key) => key !== '');
}

/** `/a/b`, and `/` for the root. */
export function pathText(path: Path): string {
  return `/${path.join('/')}`;
}

/** As requests have it: a `?` would begin a query, and a `%` an encoded character. */
export function wirePath(path: Path): string {
  return pathText(path).replace(/[%?]/g, encodeURIComponent);
}

/** `path` as seen from `above`; `null` if it is not at or below it. */
export function below(path: Path, above: Path): Path | null {
  return path.length >= above.length && related(path, above) ? path.slice(above.length) : null;
}

/** Whether a change at one of the two places can be seen from the other. */
export function related(a: Path, b: Path): boolean {
  // From the end, where siblings differ: with many pending writes this is asked very often.
  for (let i = Math.min(a.length, b.length) - 1; i >= 0; i--) if (a[i] !== b[i]) return false;
  return true;
}
