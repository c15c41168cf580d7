// OnDisconnect: writes that the server keeps, and does when this client's session ends.
//
// What the server has confirmed belongs to the session and ends with it: after a reconnect into a new session the page
// arms again, typically on `.info/connected`. What it has not confirmed is sent again by itself.

import { type Json, setOwn } from '../core/json.ts';
import type { Priority } from '../core/order.ts';
import { wirePath } from '../core/path.ts';
import { argument, checkFunction, checkPriority, cleanData, cleanUpdate } from '../core/validate.ts';
import type { OnComplete } from './callbacks.ts';
import type { Place } from './place.ts';
import { prioritized } from './priority.ts';

export class OnDisconnect {
  readonly #at: Place;

  /** @internal */
  constructor(place: Place) {
    this.#at = place;
  }

  set(value: unknown, onComplete?: OnComplete | null): Promise<void> {
    return this.#set('OnDisconnect.set', value, null, onComplete);
  }

  setWithPriority(value: unknown, priority: Priority, onComplete?: OnComplete | null): Promise<void> {
    return this.#set('OnDisconnect.setWithPriority', value, priority, onComplete);
  }

  update(values: object, onComplete?: OnComplete | null): Promise<void> {
    const data: Json = {};
    for (const [place, value] of cleanUpdate('OnDisconnect.update', values, this.#at.path)) setOwn(data, place, value);
    checkFunction('OnDisconnect.update', 2, onComplete);
    return this.#request('onDisconnectUpdate', data, onComplete);
  }

  remove(onComplete?: OnComplete | null): Promise<void> {
    return this.#set('OnDisconnect.remove', null, null, onComplete);
  }

  /** Forgets everything armed here and below. */
  cancel(onComplete?: OnComplete | null): Promise<void> {
    checkFunction('OnDisconnect.cancel', 1, onComplete);
    return this.#at.database.request({ onDisconnectCancel: wirePath(this.#at.path) }, onComplete);
  }

  #set(method: string, value: unknown, priority: Priority, onComplete?: OnComplete | null): Promise<void> {
    const data = cleanData(argument(method, 1), value, this.#at.path);
    checkPriority(method, 2, priority);
    checkFunction(method, 3, onComplete);
    return this.#request('onDisconnectSet', priority === null ? data : prioritized(data, priority), onComplete);
  }

  #request(verb: string, data: Json, onComplete?: OnComplete | null): Promise<void> {
    return this.#at.database.request({ [verb]: wirePath(this.#at.path), data }, onComplete);
  }
}
