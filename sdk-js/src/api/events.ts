// Events on their way to the application, one queue per database.
//
// A callback may write, listen or unlisten, and so cause further events. They line up behind those that wait already;
// but when the call that caused them returns, they have been delivered.

import type { Firing } from '../core/view.ts';
import { guarded } from './callbacks.ts';

export class EventQueue {
  #waiting: Firing[] = [];

  raise(firings: readonly Firing[]): void {
    this.#waiting.push(...firings);
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { registration, change } = next;
      if (!registration.removed) guarded(() => registration.fire(change));
    }
  }
}
