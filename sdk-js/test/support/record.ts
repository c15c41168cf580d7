// Recording what a query tells: short lines that a test can compare at a glance.

import type { EventType, Query } from '../../src/index.ts';

/** Listens to `events` and gives the growing list: `child_added b=2 after a`, `value {"b":2}`. */
export function record(query: Query, events: readonly EventType[]): string[] {
  const lines: string[] = [];
  for (const event of events) {
    query.on(event, (snapshot, prevKey) => {
      const value = JSON.stringify(snapshot.exportVal());
      if (event === 'value') lines.push(`value ${value}`);
      else if (event === 'child_removed') lines.push(`${event} ${snapshot.key()}=${value}`);
      else lines.push(`${event} ${snapshot.key()}=${value} after ${prevKey}`);
    });
  }
  return lines;
}

export const CHILD_EVENTS: readonly EventType[] = ['child_removed', 'child_added', 'child_moved', 'child_changed'];
export const ALL_EVENTS: readonly EventType[] = [...CHILD_EVENTS, 'value'];
