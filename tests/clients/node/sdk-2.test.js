import { runAll } from './support/run.js';

runAll('firebase 2.4.2');
