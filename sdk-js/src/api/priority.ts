// Data with a priority, in export format.

import type { Json } from '../core/json.ts';

/** `data` with `priority`; nothing stays nothing. */
export function prioritized(data: Json, priority: Json): Json {
  if (data === null) return null;
  const isLeaf = typeof data !== 'object' || Object.hasOwn(data, '.sv');
  return isLeaf ? { '.value': data, '.priority': priority } : { ...data, '.priority': priority };
}
