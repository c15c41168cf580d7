import { runAll } from './support/run.js';

runAll('firebase-admin');
