// The one list of scenarios that every SDK runs, in Node and in pages. A scenario gets a world (support/world.js);
// `needs` names features of the SDK without which it makes no sense, `!` before one that must not be there.

import { connection } from './connection.js';
import { events } from './events.js';
import { keys } from './keys.js';
import { large } from './large.js';
import { legacy } from './legacy.js';
import { listens } from './listens.js';
import { onDisconnect } from './on-disconnect.js';
import { queries } from './queries.js';
import { transactions } from './transactions.js';
import { writes } from './writes.js';

export const scenarios = [
  ...writes, ...events, ...queries, ...listens, ...transactions, ...onDisconnect, ...connection, ...keys, ...large,
  ...legacy,
];
