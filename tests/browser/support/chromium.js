// Debian's Chromium, driven by playwright-core.

import { chromium } from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';

const ARGS = [
  '--no-sandbox', // the tests run as root on build machines
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Two pages of one machine shall find each other by address: a build machine has neither mDNS nor STUN.
  '--allow-loopback-in-peer-connection',
  '--disable-features=WebRtcHideLocalIpsWithMdns,HttpsUpgrades,MediaRouter,OptimizationHints,Translate',
  // No page and no library reaches beyond this machine, whatever it asks for.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE *.localhost',
];

export class Browser {
  #browser;

  /** One browser process of its own, with its own profile. */
  static async launch() {
    const browser = new Browser();
    browser.#browser = await chromium.launch({ executablePath: EXECUTABLE, args: ARGS });
    return browser;
  }

  /** A page in a profile of its own. Its console and its errors are kept in `page.said`, for failure messages. */
  async open(url, options = {}) {
    const context = await this.#browser.newContext(options);
    const page = await context.newPage();
    page.said = [];
    page.outside = new Set();
    page.on('console', (message) => page.said.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => page.said.push(`uncaught: ${error.stack ?? error}`));
    page.on('request', (request) => {
      const { protocol, hostname, origin } = new URL(request.url());
      if (/^https?:$/.test(protocol) && hostname !== '127.0.0.1') page.outside.add(origin);
    });
    await page.goto(url, { waitUntil: 'load' });
    return page;
  }

  /** Kills the renderer processes of this browser with SIGKILL, as the kernel does when memory runs out. */
  async killRenderers() {
    const session = await this.#browser.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    for (const { type, id } of processInfo) if (type === 'renderer') process.kill(id, 'SIGKILL');
  }

  /** Kills the whole browser with SIGKILL. */
  async kill() {
    const session = await this.#browser.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    process.kill(processInfo.find(({ type }) => type === 'browser').id, 'SIGKILL');
  }

  async close() {
    await this.#browser.close();
  }
}

/** Closes a tab as its user does: its `beforeunload` and `pagehide` handlers run. */
export async function closeTab(page) {
  const closed = page.waitForEvent('close');
  await page.close({ runBeforeUnload: true });
  await closed;
}
