// Comparing plain values, the same in Node and in pages.

/** JSON with sorted keys: two values are equal if their texts are. */
export function canonical(value) {
  return JSON.stringify(value, (_, inner) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** Throws unless `actual` and `expected` are the same JSON value, whatever the order of their keys. */
export function equal(actual, expected, what) {
  const [is, wanted] = [canonical(actual), canonical(expected)];
  if (is !== wanted) throw new Error(`${what}:\n  expected ${shorten(wanted)}\n  but it is ${shorten(is)}`);
}

/** Throws unless `condition` holds. */
export function ok(condition, what) {
  if (!condition) throw new Error(what);
}

const shorten = (text) => (text?.length > 4_000 ? `${text.slice(0, 4_000)}... (${text.length} characters)` : text);
