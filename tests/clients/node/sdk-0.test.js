import { runAll } from './support/run.js';

runAll('firebase 0.5.4');
