// Who asks much waits for himself: of each peer one request is begun in a turn of the event loop, so that a flood of
// dear ones (a policy is compiled in milliseconds) holds up nobody else, and never the kill switch.

export class Turns<K> {
  /** What waits of those who had their turn. */
  readonly #waiting = new Map<K, (() => void)[]>();

  /** False: it has to wait, and is begun later, in order. `work` does not throw. */
  take(key: K, work: () => void): boolean {
    const queue = this.#waiting.get(key);
    if (queue !== undefined) {
      queue.push(work);
      return false;
    }
    if (this.#waiting.size === 0) setImmediate(() => this.#next());
    this.#waiting.set(key, []);
    work();
    return true;
  }

  #next(): void {
    for (const [key, queue] of this.#waiting) {
      const work = queue.shift();
      if (work === undefined) this.#waiting.delete(key);
      else work();
    }
    if (this.#waiting.size > 0) setImmediate(() => this.#next());
  }
}
