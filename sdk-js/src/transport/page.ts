// What a browser tells of the page and the network. Elsewhere nothing of it ever happens.

export interface PageEvents {
  /** There is a network (again): connections from before may be dead without knowing it. */
  online(): void;
  /** Somebody looks at the page. */
  visible(): void;
  /** The page goes away, perhaps only into the back/forward cache. */
  leave(): void;
  /** The page has come back out of that cache. */
  back(): void;
}

export function watchPage(events: PageEvents): void {
  if (typeof globalThis.addEventListener !== 'function') return;
  addEventListener('online', () => events.online());
  addEventListener('pagehide', () => events.leave());
  addEventListener('pageshow', (event) => {
    if ((event as PageTransitionEvent).persisted) events.back();
  });
  if (typeof document === 'undefined') return;
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') events.visible();
  });
}
