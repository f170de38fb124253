// The notify thread's end of the link with egress: DNS answers pinned by egress come in, flows go out.
import { Arena, readAvailable, writeText } from '../../native-bindings/linux/mod.ts';

const MAX_LINE = 64 * 1024;
/** Pairs of an address and a name. */
const MAX_PINS = 65_536;
/** Of one address: what a wildcard answers with it has no end. */
const MAX_NAMES = 256;
/** Looking through all of them costs milliseconds: no oftener than this. */
const SWEEP_MS = 1000;
/** Grace after a record's time to live: programs use answers a little longer than they may. */
const GRACE_MS = 60_000;

export interface Flow {
  readonly v: 4 | 6;
  readonly port: number;
  readonly addr: string;
  readonly dport: number;
  readonly pid: number;
  readonly exe: string;
  readonly id: string;
}

/** A burst of connects fills the socket's buffer (277 flows); egress then gets this long to catch up. */
const ANNOUNCE_MS = 1000;

export class EgressLink {
  private readonly fd: number;
  private readonly arena = new Arena(MAX_LINE * 2);
  private readonly now: () => number;
  private partial = '';
  private swept = -Infinity;
  private held = 0;
  /** address → name → until when the pin holds */
  private readonly pins = new Map<string, Map<string, number>>();
  /** `now`: milliseconds of a clock that nobody sets, so that pins hold neither longer nor shorter when somebody does. */
  constructor(fd: number, now: () => number = () => performance.now()) {
    this.fd = fd;
    this.now = now;
  }
  /** Names under which egress gave out this address, the most recent first. */
  namesOf(address: string): string[] {
    this.drain();
    this.expire(address, this.now());
    return [...(this.pins.get(address)?.keys() ?? [])].reverse();
  }
  private expire(address: string, now: number): void {
    const names = this.pins.get(address);
    if (names === undefined) return;
    for (const [name, until] of names) if (until < now) this.forget(names, name);
    if (names.size === 0) this.pins.delete(address);
  }
  private forget(names: Map<string, number>, name: string): void {
    if (names.delete(name)) this.held -= 1;
  }
  /** False when there are as many pins as there may be, and all of them hold. */
  private hasRoom(): boolean {
    if (this.held < MAX_PINS) return true;
    const now = this.now();
    if (now - this.swept < SWEEP_MS) return false;
    this.swept = now;
    for (const address of [...this.pins.keys()]) this.expire(address, now);
    return this.held < MAX_PINS;
  }
  /** Tells egress whom the next connection from this local port belongs to. False: egress is not there, or does not read. */
  announce(flow: Flow): boolean {
    return writeText(this.fd, `${JSON.stringify({ t: 'flow', ...flow })}\n`, this.arena, ANNOUNCE_MS) === 0;
  }
  private drain(): void {
    for (;;) {
      const chunk = readAvailable(this.fd, this.arena);
      if (chunk === undefined || chunk === null) return;
      this.partial += chunk.toString('utf8');
      const lines = this.partial.split('\n');
      this.partial = lines.pop() ?? '';
      if (this.partial.length > MAX_LINE) this.partial = '';
      for (const line of lines) this.pin(line);
    }
  }
  private pin(line: string): void {
    const message = parsePin(line);
    if (message === undefined || !this.hasRoom()) return;
    for (const address of message.addrs) {
      const names = this.pins.get(address) ?? new Map<string, number>();
      this.forget(names, message.host);
      names.set(message.host, this.now() + message.ttl * 1000 + GRACE_MS);
      this.held += 1;
      const [oldest] = names.keys();
      if (names.size > MAX_NAMES && oldest !== undefined) this.forget(names, oldest);
      this.pins.set(address, names);
    }
  }
}

interface Pin {
  readonly host: string;
  readonly addrs: readonly string[];
  readonly ttl: number;
}

/** Egress is not trusted with our memory: anything that is not exactly a pin is dropped, and so pins nothing. */
export function parsePin(line: string): Pin | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null) return undefined;
    const { t, host, addrs, ttl } = value as Record<string, unknown>;
    if (t !== 'pin' || typeof host !== 'string' || typeof ttl !== 'number' || !Array.isArray(addrs))
      return undefined;
    if (host.length > 255 || addrs.length > 256 || !(ttl >= 0 && ttl <= 86_400)) return undefined;
    return { host, ttl, addrs: addrs.filter((a): a is string => typeof a === 'string' && a.length < 64) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
