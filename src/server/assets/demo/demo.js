// The demo page: a chat between tabs over WebRTC data channels. Beaconfire is where they find each other.
//
//   /demo-rooms/<room>/signals   offers, answers and candidates, through the snippet in index.html
//   /demo-rooms/<room>/people    who is here: one record per tab, removed by the server when the tab is gone

import { Peers } from './peers.js';

const $ = (id) => document.getElementById(id);
const RECORDS_MAX = 200;
const ANIMALS = `Badger Beaver Bison Crane Curlew Dipper Falcon Ferret Finch Gannet Gecko Hare Heron Ibex Jackdaw
  Kestrel Lapwing Lynx Magpie Marten Mole Newt Osprey Otter Owl Petrel Plover Puffin Raven Robin Seal Siskin Stoat
  Swift Tern Viper Vole Weasel Whale Wren`.split(/\s+/);
const COLOURS = `amber birch coral flint hazel ivory linen maple ochre olive pearl rusty sable slate umber
  warm`.split(/\s+/);

const params = new URLSearchParams(location.search);
const room = roomFromUrl();
const base = `demo-rooms/${room}`;
const people = new Map(); // id -> { present, state }
const startedAt = Date.now();
let me; // this tab's id, once it knows which names are taken

if (window.Firebase) new Firebase(`https://chat.firebaseIO.com/${base}/people`).once('value', start);
else say('status', 'The script /firebase.js did not load. Is the server running?');

function start(others) {
  const taken = new Set(Object.keys(others.val() ?? {}).map(nameOf));
  const free = ANIMALS.filter((name) => !taken.has(name));
  me = `${pick(free.length ? free : ANIMALS).toLowerCase()}-${(random(2 ** 31) + 2 ** 31).toString(36)}`;

  const peers = new Peers({
    me,
    send: (message) => signals.send(message),
    on: { state: linkChanged, text: addMessage },
    // None by default: on one machine or network the two find each other without. `?ice=stun:host:3478` names some.
    iceServers: params.getAll('ice').map((urls) => ({ urls })),
  });

  // The snippet. Everything else here is ordinary use of the same database.
  const signals = connection.openSignalingChannel({
    channel: `${base}/signals`,
    onmessage: (message) => peers.receive(message),
  });

  watchRecords('signals', (record) => [record.type, record.from, record.to]);
  watchRecords('people', (record, key) => ['person', key]);
  watchServer();
  watchPeople(peers);
  fillPage(peers);
  render();
  addEventListener('pagehide', () => peers.close());
  addEventListener('pageshow', (event) => event.persisted && location.reload());
}

// --- Presence ------------------------------------------------------------------------------------------------------

function watchServer() {
  const mine = new Firebase(`https://chat.firebaseIO.com/${base}/people/${me}`);
  new Firebase('https://chat.firebaseIO.com/.info/connected').on('value', (snapshot) => {
    const connected = snapshot.val() === true;
    $('server').dataset.state = connected ? 'connected' : 'connecting';
    say('server-text', connected ? 'Server connected' : 'Connecting');
    if (!connected) return;
    mine.onDisconnect().remove(); // first, so that no record is left behind however this tab ends
    mine.set({ name: nameOf(me), since: Firebase.ServerValue.TIMESTAMP });
  });
}

function watchPeople(peers) {
  const list = new Firebase(`https://chat.firebaseIO.com/${base}/people`);
  list.on('child_added', (snapshot) => {
    const id = snapshot.key();
    person(id).present = true;
    if (id !== me) peers.meet(id);
    render();
  });
  list.on('child_removed', (snapshot) => {
    const id = snapshot.key();
    person(id).present = false;
    peers.part(id);
    forgetIfGone(id);
    render();
  });
}

function linkChanged(id, state) {
  const before = person(id).state;
  person(id).state = state;
  if (state === 'open') addNote(`${nameOf(id)} is connected`);
  if (before === 'open' && state !== 'open') addNote(`${nameOf(id)} left`);
  forgetIfGone(id);
  render();
}

function person(id) {
  if (!people.has(id)) people.set(id, { present: false, state: 'closed' });
  return people.get(id);
}

function forgetIfGone(id) {
  const { present, state } = person(id);
  if (!present && state !== 'open') people.delete(id);
}

// --- The page ------------------------------------------------------------------------------------------------------

function fillPage(peers) {
  document.title = `${room} · Beaconfire demo`;
  say('room-title', room);
  $('second-tab').href = location.href;
  say('command', `curl -N -H 'Accept: text/event-stream' '${location.origin}/${encodeURI(base)}.json?ns=chat'`);
  say('source', $('signaling').textContent.trim());
  copies('copy-link', () => location.href);
  copies('copy-command', () => $('command').textContent);
  if (matchMedia('(max-width: 52rem)').matches) $('records-panel').open = false;
  $('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = $('text').value.trim();
    if (!text || peers.open === 0) return;
    peers.say(text);
    addMessage(me, text);
    $('text').value = '';
    $('text').focus();
  });
}

function render() {
  const others = [...people.keys()].filter((id) => id !== me).sort();
  const open = others.filter((id) => people.get(id).state === 'open');
  $('people').replaceChildren(personRow(me, 'this tab', 'me'), ...others.map((id) => {
    const { state } = people.get(id);
    const texts = { open: 'direct link', linking: 'connecting', failed: 'no direct way found', closed: 'waiting' };
    return personRow(id, texts[state], state);
  }));
  say('people-count', `${others.length + 1}`);
  say('status', statusText(others, open));
  $('composer').dataset.state = open.length ? 'open' : 'waiting';
  $('text').disabled = $('send').disabled = open.length === 0;
  $('text').placeholder = open.length ? `Message ${names(open)}` : 'Waiting for someone';
  $('second-tab').classList.toggle('primary', open.length === 0);
}

function statusText(others, open) {
  if (open.length) return `Connected directly to ${names(open)}`;
  if (others.length === 0) return 'Waiting for someone to join';
  if (others.every((id) => people.get(id).state === 'failed')) return `Could not reach ${names(others)} directly`;
  return `Connecting to ${names(others)}`;
}

function names(ids) {
  return ids.length > 2 ? `${ids.length} people` : ids.map(nameOf).join(' and ');
}

function personRow(id, text, state) {
  const row = make('li', { className: 'person' });
  row.dataset.state = state;
  row.append(avatar(id), make('span', { className: 'name', textContent: nameOf(id) }),
    make('span', { className: 'link', textContent: text }));
  return row;
}

function addMessage(id, text) {
  const own = id === me;
  const item = make('div', { className: own ? 'message own' : 'message' });
  const bubble = make('p', { className: 'bubble' });
  const author = own ? 'visually-hidden' : 'author';
  bubble.append(make('span', { className: author, textContent: own ? 'You: ' : nameOf(id) }),
    make('span', { className: 'text', textContent: text }));
  item.append(...(own ? [bubble] : [avatar(id), bubble]));
  addLine(item);
}

function addNote(text) {
  addLine(make('p', { className: 'note', textContent: text }));
}

function addLine(line) {
  $('empty').hidden = true;
  const box = $('messages');
  box.append(line);
  box.scrollTop = box.scrollHeight;
}

function avatar(id) {
  const circle = make('span', { className: 'avatar', textContent: nameOf(id)[0], ariaHidden: 'true' });
  circle.style.setProperty('--hue', [...id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7));
  return circle;
}

function copies(button, text) {
  const label = $(button).innerHTML;
  $(button).addEventListener('click', async () => {
    const copied = await copy(text());
    $(button).textContent = copied ? 'Copied' : 'Press Ctrl+C';
    setTimeout(() => ($(button).innerHTML = label), 1600);
  });
}

async function copy(text) {
  // The clipboard API exists on https and localhost only; on a plain http host the older way still works.
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = make('textarea', { value: text, className: 'visually-hidden' });
    document.body.append(field);
    field.select();
    const copied = document.execCommand('copy');
    field.remove();
    return copied;
  }
}

// --- The records as they pass --------------------------------------------------------------------------------------

let recordsSeen = 0;

function watchRecords(folder, describe) {
  const place = new Firebase(`https://chat.firebaseIO.com/${base}/${folder}`);
  place.on('child_added', (snapshot) => addRecord(true, folder, snapshot, describe));
  place.on('child_removed', (snapshot) => addRecord(false, folder, snapshot, describe));
}

function addRecord(added, folder, snapshot, describe) {
  const value = snapshot.val();
  const [kind, from, to] = describe(value, snapshot.key());
  const row = make('li');
  row.dataset.change = added ? 'added' : 'removed';
  const entry = make('details');
  const line = make('summary');
  const sides = [from, to].filter(Boolean).map((id) => (id === me ? 'you' : nameOf(id)));
  line.append(
    make('span', { className: 'sign', textContent: added ? '+' : '−', title: added ? 'added' : 'removed' }),
    make('span', { className: 'kind', textContent: kind }),
    make('span', { className: 'sides', textContent: sides.join(' → ') }),
    make('time', { textContent: `${((Date.now() - startedAt) / 1000).toFixed(2)} s` }));
  entry.append(line, make('p', { className: 'path', textContent: `/${base}/${folder}/${snapshot.key()}` }),
    make('pre', { textContent: JSON.stringify(value, null, 2) }));
  row.append(entry);
  $('records').prepend(row);
  if ($('records').childElementCount > RECORDS_MAX) $('records').lastElementChild.remove();
  recordsSeen += 1;
  say('records-count', `${recordsSeen} seen`);
}

// --- Small helpers -------------------------------------------------------------------------------------------------

function roomFromUrl() {
  const asked = params.get('room') ?? location.hash.slice(1).replace(/%[0-9a-f]{2}/gi, '-');
  // A room name becomes a key and part of a command line: letters and digits of any script, no signs.
  const clean = asked.trim().replace(/[^\p{L}\p{N}_-]+/gu, '-').slice(0, 60);
  if (clean) return clean;
  const name = `${pick(COLOURS)}-${pick(ANIMALS).toLowerCase()}-${100 + random(900)}`;
  history.replaceState(null, '', `?room=${name}`);
  return name;
}

function random(bound) {
  return crypto.getRandomValues(new Uint32Array(1))[0] % bound;
}

function pick(list) {
  return list[random(list.length)];
}

function nameOf(id) {
  const word = id.split('-')[0];
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function make(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

function say(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}
