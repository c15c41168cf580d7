// For `<script src="http://my-host:9000/firebase.js">`: the global `Firebase`, with the script's own origin as its server.
// Not part of the modules: bundled into an application, the running script would be the application's.

import { Firebase } from './index.ts';

const script = globalThis.document?.currentScript as HTMLScriptElement | null;
if (/^https?:/.test(script?.src ?? '')) Firebase.server = new URL(script!.src).origin;

export default Firebase;
