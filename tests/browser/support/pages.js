// The pages under test: page templates and the libraries from node_modules, 404 for all else.
// It stands for the web site of the room builder: another origin than the database.

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { serve } from './web-server.js';

const HERE = resolve(import.meta.dirname, '..');
const FILES = {
  '/rtcmulticonnection.html': 'pages/rtcmulticonnection.html',
  '/datachannel.html': 'pages/datachannel.html',
  '/sdk.html': 'pages/sdk.html',
  '/RTCMultiConnection.js': 'node_modules/rtcmulticonnection/RTCMultiConnection.js',
  '/DataChannel.js': 'node_modules/datachannel/DataChannel.js',
};

/** Serves the pages with `{{beaconfire}}` replaced by the server's URL. */
export async function servePages(beaconfireUrl) {
  return serve(async (path) => {
    const file = FILES[path];
    if (!file) return null;
    const text = await readFile(resolve(HERE, file), 'utf8');
    if (!file.endsWith('.html')) return { type: 'text/javascript', text };
    return { type: 'text/html', text: text.replaceAll('{{beaconfire}}', beaconfireUrl) };
  });
}
