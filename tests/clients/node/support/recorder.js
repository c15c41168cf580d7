// Writes down what a listener hears, in the form in which the model tells events.

import { until } from '../../../browser/support/wait.js';

export const EVENTS = ['child_removed', 'child_added', 'child_moved', 'child_changed', 'value'];

/**
 * Listens to all five events of `place` and gives the log: `[event, key, export, previous key]`, and for a value
 * `['value', null, export, [keys in order]]`. `log.off()` ends it. A cancelled listener leaves
 * `['cancelled', message]`.
 */
export function record(place, events = EVENTS) {
  const log = [];
  const offs = events.map((event) => {
    const heard = (seen, previous) =>
      log.push(
        event === 'value'
          ? ['value', null, seen.export, seen.order]
          : [event, seen.key, seen.export, event === 'child_removed' ? null : previous],
      );
    return place.on(event, heard, (error) => log.push(['cancelled', error.message]));
  });
  log.off = () => offs.forEach((off) => off());
  /** What has been heard since the last time. */
  log.take = () => log.splice(0);
  return log;
}

/** The values alone, without keys and order. */
export const values = (log) => log.filter(([event]) => event === 'value').map(([, , value]) => value);

/**
 * Breaks the connection of `client` as a network does, and waits until it is back. `connected` is a record of its
 * `.info/connected`. A cut alone is not enough: browsers ask once more by themselves when a held poll breaks off.
 */
export async function breaks(client, connected) {
  const before = connected.length;
  const said = () => values(connected.slice(before)).join();
  await client.wire.block();
  await until('the client to notice', () => said() === 'false');
  await client.wire.unblock();
  await until('the client to be back', () => said() === 'false,true');
}
