// Waiting between attempts to connect: twice as long after each failure, with jitter so that the clients of a restarted
// server do not all return at once, and cut short when there is reason to hope.

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

export class Backoff {
  #failures = 0;
  #wake: (() => void) | null = null;
  #skipsNext = false;

  /** Resolves when it is time for the next attempt. */
  async pause(): Promise<void> {
    if (this.#skipsNext) {
      this.#skipsNext = false;
      return;
    }
    const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, longest * (0.5 + Math.random() / 2));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  /** The connection works: the next failure is a first one. */
  reset(): void {
    this.#failures = 0;
  }

  /** Ends the pause under way, else skips the next one. */
  hurry(): void {
    this.reset();
    if (this.#wake) this.#wake();
    else this.#skipsNext = true;
  }
}
