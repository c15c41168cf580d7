// Waiting on conditions. No test sleeps for a guessed time: it asks again and again until the answer is there, and says
// what it was waiting for when it never came.

const INTERVAL_MS = 20;

/**
 * Asks `question` until it answers something truthy, and returns that answer.
 * `what` completes the sentence "waited in vain for ...".
 */
export async function until(what, question, { timeoutMs = 20_000 } = {}) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited in vain for ${what} (${timeoutMs} ms)`);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}
