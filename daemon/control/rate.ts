// Bounds on what one peer may ask of the daemon.

/** Token bucket: `burst` at once, `perSecond` in the long run. */
export class Rate {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #last: number;

  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#last = now;
  }

  /** `now` in milliseconds, never going back. False: over the rate. */
  take(now: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#last) * this.#perSecond) / 1000);
    this.#last = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** True when nothing has been taken for long enough to forget the peer. */
  isFull(now: number): boolean {
    return this.#tokens + ((now - this.#last) * this.#perSecond) / 1000 >= this.#burst;
  }
}

/** One bucket per key, forgotten when it is full again. */
export class Rates<K> {
  readonly #rates = new Map<K, Rate>();
  readonly #perSecond: number;
  readonly #burst: number;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  take(key: K, now: number): boolean {
    if (this.#rates.size > 1000) this.#forget(now);
    let rate = this.#rates.get(key);
    if (rate === undefined) this.#rates.set(key, (rate = new Rate(this.#perSecond, this.#burst, now)));
    return rate.take(now);
  }

  #forget(now: number): void {
    for (const [key, rate] of this.#rates) if (rate.isFull(now)) this.#rates.delete(key);
  }
}

/** How many of something each key has now. */
export class Counts<K> {
  readonly #counts = new Map<K, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  of(key: K): number {
    return this.#counts.get(key) ?? 0;
  }

  /** Returns the way to give it back, to be called once. */
  add(key: K): () => void {
    this.#counts.set(key, this.of(key) + 1);
    this.#total += 1;
    return () => {
      this.#total -= 1;
      const left = this.of(key) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    };
  }
}
