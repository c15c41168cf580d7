// Push ids: keys that sort by the time they were made.
//
// 8 characters of milliseconds, 12 random ones that count up within the same millisecond.
// Source: Firebase realtime protocol 17.

const ALPHABET = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';
const RANDOM_LENGTH = 12;

/** A generator; its ids rise even if `now` (server clock in ms) stands still or steps back. */
export function pushIds(random: () => number = Math.random): (now: number) => string {
  let last = 0;
  let tail: number[] = [];
  return (now) => {
    if (now > last) {
      last = now;
      tail = Array.from({ length: RANDOM_LENGTH }, () => Math.floor(random() * 64));
    } else if (!countUp(tail)) {
      last += 1; // Every random part of this millisecond is used up, which no program gets to.
    }
    return time(last) + tail.map((digit) => ALPHABET[digit]).join('');
  };
}

function time(ms: number): string {
  let text = '';
  for (let rest = Math.floor(ms), i = 0; i < 8; i++, rest = Math.floor(rest / 64)) text = ALPHABET[rest % 64] + text;
  return text;
}

/** Adds one; `false` if all digits have overflowed to zero. */
function countUp(digits: number[]): boolean {
  for (let i = digits.length - 1; i >= 0; i--) {
    if (digits[i] !== 63) {
      digits[i]! += 1;
      return true;
    }
    digits[i] = 0;
  }
  return false;
}
