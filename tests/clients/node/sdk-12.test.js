import { runAll } from './support/run.js';

runAll('firebase 12');
