import { runAll } from './support/run.js';

runAll('firebase 1.1.3');
