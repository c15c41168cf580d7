// A tiny web server for the pages under test: page templates and the libraries from node_modules, 404 for all else.
// It stands for the web site of the room builder: another origin than the database.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { resolve } from 'node:path';

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
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://pages').pathname;
    const file = FILES[path];
    if (!file) return response.writeHead(404).end();
    let text = await readFile(resolve(HERE, file), 'utf8');
    if (file.endsWith('.html')) text = text.replaceAll('{{beaconfire}}', beaconfireUrl);
    const type = file.endsWith('.html') ? 'text/html' : 'text/javascript';
    response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` }).end(text);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () =>
      new Promise((closed) => {
        server.close(closed);
        server.closeAllConnections();
      }),
  };
}
