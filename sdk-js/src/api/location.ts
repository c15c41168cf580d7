// Where a URL of the application leads: an origin, a database, and a path in it.
//
// Pages written for Firebase name `https://chat.firebaseIO.com/room`. They are to run with no line changed, so such names
// are taken as a database (`chat`) of whatever server `Firebase.server` names.

import { type Path, parsePath } from '../core/path.ts';
import { argument, isPath } from '../core/validate.ts';

export interface Location {
  /** Where the requests go: `http://my-host:9000`. */
  readonly origin: string;
  /** Database to ask for; `null` if the server shall decide by its host name. */
  readonly ns: string | null;
  readonly path: Path;
  /** What `toString` puts before and after the path: the application's own form of the URL. */
  readonly prefix: string;
  readonly suffix: string;
}

const FIREBASE_HOST = /^([^.:/]+)\.(?:[^/]+\.)?(?:firebaseio\.com|firebasedatabase\.app)(?::\d+)?$/i;
const URL_PARTS = /^(?:(?:([a-z][a-z\d+.-]*):)?\/\/([^/?#]*))?(.*)$/is;
const IP_ADDRESS = /^[\d.]+$|^\[/;

/** `server` is the origin for Firebase names and relative URLs, `null` if there is none. */
export function parseLocation(url: unknown, server: string | null): Location {
  if (typeof url !== 'string') throw invalid();
  const withScheme = FIREBASE_HOST.test(url.split('/')[0]!) ? `//${url}` : url;
  const [, scheme = '', givenHost, rest = ''] = URL_PARTS.exec(withScheme)!;
  const host = givenHost?.toLowerCase();
  if (host === undefined) return relative(rest, server);
  const database = FIREBASE_HOST.exec(host)?.[1];
  if (database === undefined) return own(`${httpScheme(scheme)}://${host}`, rest);
  // A `?` belongs to the path here, as it did in the SDKs that these pages were written for.
  const prefix = `https://${host}`;
  return { origin: server ?? prefix, ns: database, path: decodePath(rest), prefix, suffix: '' };
}

function relative(rest: string, server: string | null): Location {
  const origin = server ?? globalThis.location?.origin;
  if (!origin) throw invalid();
  return own(origin, rest);
}

function own(origin: string, rest: string): Location {
  const [, path = '', query = ''] = /^([^?#]*)(\?[^#]*)?/.exec(rest)!;
  const host = origin.slice(origin.indexOf('//') + 2).replace(/:\d+$/, '');
  if (host === '') throw invalid();
  const ns = new URLSearchParams(query).get('ns')?.toLowerCase() || firstLabel(host);
  return { origin, ns, path: decodePath(path), prefix: origin, suffix: query };
}

/** `chat` of `chat.example.com` and of `chat.localhost`; plain hosts and addresses name no database. */
function firstLabel(host: string): string | null {
  const labels = host.split('.');
  if (IP_ADDRESS.test(host)) return null;
  return labels.length >= 3 || (labels.length === 2 && labels[1] === 'localhost') ? labels[0]! : null;
}

function httpScheme(scheme: string): string {
  const given = scheme.toLowerCase().replace(/^ws/, 'http');
  return given || (globalThis.location?.protocol === 'http:' ? 'http' : 'https');
}

/** Segment by segment; what is not well encoded stays as it is, and `+` is a space, as in the 2.4.2 SDK. */
function decodePath(text: string): Path {
  const path = parsePath(text).map((segment) => {
    try {
      return decodeURIComponent(segment.replace(/\+/g, ' '));
    } catch {
      return segment;
    }
  });
  if (!isPath(path.join('/'), true)) throw invalid();
  return parsePath(path.join('/'));
}

function invalid(): Error {
  return new Error(
    `${argument('new Firebase', 1)}must be a valid firebase URL and the path can't contain ".", "#", "$", "[", or "]".`,
  );
}
