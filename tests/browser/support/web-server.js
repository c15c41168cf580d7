// A tiny web server for tests.

import { createServer } from 'node:http';

/** Serves what `find(path)` gives, `{ type, text }`, and 404 where that is nothing. */
export async function serve(find) {
  const server = createServer(async (request, response) => {
    const found = await find(new URL(request.url, 'http://pages').pathname);
    if (!found?.text) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': `${found.type}; charset=utf-8` }).end(found.text);
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
