// For `<script src="http://my-host:9000/firebase.js">`: the global `Firebase`, with the script's own origin as its server.
// Not part of the modules: bundled into an application, the running script would be the application's.

import { Firebase } from './index.ts';

if (typeof document !== 'undefined' && document.currentScript instanceof HTMLScriptElement) {
  const { src } = document.currentScript;
  if (/^https?:/.test(src)) Firebase.server = new URL(src).origin;
}

export default Firebase;
