// Where a reference or query stands. Held in one field, so that pages may set what they like on the object itself.

import type { Path } from '../core/path.ts';
import type { Database } from './database.ts';
import type { Firebase } from './firebase.ts';
import type { Location } from './location.ts';

export class Place {
  readonly path: Path;

  /** `make` creates references; handed in, because `Firebase` is built on this file. */
  constructor(
    readonly database: Database,
    readonly location: Location,
    readonly make: (place: Place) => Firebase,
  ) {
    this.path = location.path;
  }

  at(path: Path): Firebase {
    return this.make(new Place(this.database, { ...this.location, path }, this.make));
  }

  below(path: Path): Firebase {
    return this.at([...this.path, ...path]);
  }

  /** The URL, in the form that the application gave. */
  toString(): string {
    const { prefix, suffix } = this.location;
    return `${prefix}/${this.path.map(encodeURIComponent).join('/')}${suffix}`;
  }
}
