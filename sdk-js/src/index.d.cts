export * from './types/index.js';
export { Firebase as default } from './types/index.js';
