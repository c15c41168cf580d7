// A client that is going to be killed: it does what a scenario wants of it, says so, and waits.

import { doomed } from '../scenarios/on-disconnect.js';
import { Rooted } from './rooted.js';
import { load } from './sdks.js';

const [name, port, ns, root, act] = process.argv.slice(2);
const sdk = await load(name);
const client = new Rooted(await sdk.connect({ port, ns }), root, null);
await doomed[act](client);
process.stdout.write('ready\n');
setInterval(() => {}, 1_000); // an SDK without a connection to wait for shall not end the process
