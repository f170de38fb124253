// What an egress process pinned, kept for the one that takes its place.
import { parsePin } from '../supervisor/mod.ts';

/** As many as egress itself keeps, and its start line may carry. */
const MAX_PINS = 4096;

interface Kept {
  readonly addrs: readonly string[];
  /** Unix ms. */
  readonly until: number;
}

export class EgressPins {
  private readonly kept = new Map<string, Kept>();
  private readonly now: () => number;
  constructor(now: () => number = Date.now) {
    this.now = now;
  }
  /** A line of egress; what is not exactly a pin is not kept. */
  keep(line: string): void {
    const pin = parsePin(line);
    if (pin === undefined) return;
    this.kept.delete(pin.host);
    this.kept.set(pin.host, { addrs: pin.addrs.slice(0, 64), until: this.now() + pin.ttl * 1000 });
    const [oldest] = this.kept.keys();
    if (this.kept.size > MAX_PINS && oldest !== undefined) this.kept.delete(oldest);
  }
  /** Those that still hold, with the seconds that are left. */
  left(): readonly { readonly host: string; readonly addrs: readonly string[]; readonly ttl: number }[] {
    const now = this.now();
    return [...this.kept]
      .filter(([, { until }]) => until > now)
      .map(([host, { addrs, until }]) => ({ host, addrs, ttl: Math.ceil((until - now) / 1000) }));
  }
}
