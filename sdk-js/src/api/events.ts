// Events on their way to the application, one queue per database.
//
// A callback may write, listen or unlisten, and so cause further events. They line up behind those that wait already;
// but when the call that caused them returns, they have been delivered.

import type { Firing } from '../core/view.ts';
import { guarded } from './callbacks.ts';

export class EventQueue {
  #waiting: Firing[] = [];
  #next = 0;

  raise(firings: readonly Firing[]): void {
    for (const firing of firings) this.#waiting.push(firing);
    while (this.#next < this.#waiting.length) {
      const { registration, change } = this.#waiting[this.#next++]!;
      if (!registration.removed) guarded(() => registration.fire(change));
    }
    this.#waiting = [];
    this.#next = 0;
  }
}
