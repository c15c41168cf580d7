import { runAll } from './support/run.js';

runAll('firebase 4');
