// Runs random sequences through every channel and compares with the model: values, orders and the events of each
// listener.

import { canonical } from './check.js';
import { exported } from './model.js';
import { Expected, makeSequence } from './sequence.js';
import { Names } from './channels.js';

/** Without a step further. */
const HANGS_AFTER_MS = 60_000;

let runs = 0;

/** Runs `steps` through one channel. Gives null, or what was wrong first. */
export async function compare(channel, steps) {
  let timer, hang;
  const hangs = new Promise((done) => { hang = done; });
  const begin = (step) => {
    clearTimeout(timer);
    timer = setTimeout(() => hang(`it hangs at ${JSON.stringify(step)}`), HANGS_AFTER_MS);
  };
  const wrong = await Promise.race([hangs, take(channel, steps, begin)]);
  clearTimeout(timer);
  return wrong;
}

async function take(channel, steps, begin) {
  const expected = new Expected();
  const run = channel.open(`d/${channel.name.replace(/\W/g, '-')}/${runs++}`);
  const skipped = new Set();
  try {
    for (const [number, step] of steps.entries()) {
      begin(step);
      const wrong = await takeStep(step, { run, expected, skipped });
      if (wrong) return `step ${number}: ${wrong}`;
    }
    begin('the end');
    const wrong = await look({ run, expected, skipped });
    if (wrong) return `at the end: ${wrong}`;
    return differ('what is stored', await run.stored(), exported(expected.tree));
  } catch (error) {
    return `${error.stack ?? error}`;
  } finally {
    run.close();
  }
}

async function takeStep(step, { run, expected, skipped }) {
  if ('write' in step) {
    if (run.guesses) for (const id of misled(step, expected.listeners)) skipped.add(id);
    await run.write(step, expected.write(step));
    return null;
  }
  const wrong = await look({ run, expected, skipped });
  if (wrong) return wrong;
  if ('unlisten' in step) {
    run.unlisten(step.unlisten);
    expected.unlisten(step.unlisten);
    return null;
  }
  expected.listen(step);
  Object.assign(expected.listeners.get(step.listen), { by: step.by, path: step.path });
  if (run.guesses) for (const id of misplaced(expected.listeners)) skipped.add(id);
  if (!run.can(step.query)) skipped.add(step.listen);
  if (skipped.has(step.listen)) return null;
  const first = await run.listen(step);
  // From what the client knows already it may tell some children early, and take them back: only the end counts.
  expected.listeners.get(step.listen).ended = first.at(-1)?.[2];
  return differ(`the first value of listener ${step.listen}`, first.at(-1)?.[2], expected.sees(step.listen));
}

const isLimited = (query) => query.some(([step]) => step.startsWith('limitTo'));
const isWhole = (query) => query.every(([step]) => step.startsWith('orderBy'));
const under = (path) => (path ? `${path}/` : '');

/** Whether the listener is a limited window at or below a listener of everything of the same client. */
const isShadowed = (window, listeners) =>
  isLimited(window.query) && [...listeners.values()].some((other) =>
    other.by === window.by && isWhole(other.query) && under(window.path).startsWith(under(other.path)));

/*
 * A window that is shadowed is not listened to at the server: the SDKs, 2.4.2 to 12, work it out from what the
 * listener of everything is told, and two faults of theirs show then. The server says the same as always, and cannot
 * help.
 */

/**
 * The listeners that an update misleads: where it changes several children, the SDK takes one that comes into the
 * window from before the update, and so may show its former value for ever.
 */
function misled({ write, path, updates }, listeners) {
  if (write !== 'update') return [];
  const places = Object.keys(updates).map((place) => under(path) + place);
  const hit = ([, window]) => {
    const within = places.filter((place) => place.startsWith(under(window.path)));
    const children = new Set(within.map((place) => place.slice(under(window.path).length).split('/')[0]));
    return children.size > 1 && isShadowed(window, listeners);
  };
  return [...listeners].filter(hit).map(([id]) => id);
}

/**
 * The listeners that the SDK seeks in the wrong place: where no child has what the window is ordered by, it keeps no
 * index and compares the key of a bound alone. Exclusive bounds have one, too.
 */
function misplaced(listeners) {
  const hasKey = ([step, ...args]) => /After|Before/.test(step) || (/At|To$/.test(step) && args.length > 1);
  const isByKey = ([step]) => step === 'orderByKey';
  const hit = ([, window]) =>
    window.query.some(hasKey) && !window.query.some(isByKey) && isShadowed(window, listeners);
  return [...listeners].filter(hit).map(([id]) => id);
}

/** Compares what all listeners have heard since the last look. */
async function look({ run, expected, skipped }) {
  await run.settle();
  for (const [id, listener] of expected.listeners) {
    const events = listener.heard.splice(0);
    if (skipped.has(id)) continue;
    const heard = await run.heard(id, events);
    if (heard.length > 0) listener.ended = heard.at(-1)[2];
    // The writer hears guesses of its own before the server answers: the value it ends with counts.
    const wrong = listener.by === 'writer' && run.guesses
      ? differ(`what listener ${id} of the writer ends with`, listener.ended, expected.sees(id))
      : differ(`the events of listener ${id}`, heard, run.expects(events, expected.sees(id)));
    if (wrong) return wrong;
  }
  return null;
}

function differ(what, actual, wanted) {
  const [is, should] = [canonical(actual), canonical(new Names().plain(wanted))];
  return is === should ? null : `${what}:\n  expected ${should}\n  but it is ${is}`;
}

/** A failure told so that it can be repeated: the seed, the smallest sequence that still fails, and what differs. */
export async function explain(channel, seed, wrong) {
  let steps = makeSequence(seed);
  if (wrong.startsWith('it hangs')) return `${channel.name}, SEED=${seed}\n${wrong}`;
  for (let left = steps.length - 1; left >= 0; left--) {
    const fewer = steps.filter((_, number) => number !== left);
    const still = await compare(channel, fewer);
    if (still) [steps, wrong] = [fewer, still];
  }
  const told = steps.map((step, number) => `  ${number}: ${JSON.stringify(step)}`).join('\n');
  return `${channel.name}, SEED=${seed}\n${told}\n${wrong}`;
}

/** Runs the sequences of `count` seeds from `first` on, `atOnce` at a time. Gives the failures, told. */
export async function runSeeds(channels, first, count, atOnce = 32) {
  const failures = [];
  let next = first;
  const worker = async () => {
    while (next < first + count && failures.length < 3) {
      const seed = next++;
      const steps = makeSequence(seed);
      for (const [channel, wrong] of await Promise.all(channels.map(async (one) => [one, await compare(one, steps)]))) {
        if (wrong) failures.push({ channel, seed, wrong });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
  const told = [];
  for (const { channel, seed, wrong } of failures.slice(0, 3)) told.push(await explain(channel, seed, wrong));
  return told;
}
