// Supervisors that wait for a session, so that a launch does not wait for one. The oldest that is ready goes first; one
// whose picture of the mount table is out of date goes nowhere.
import { CordonError } from '../model/mod.ts';
import { retire } from './supervisor-link.ts';
import type { SupervisorLink } from './supervisor-link.ts';

export interface Started {
  readonly pid: number;
  readonly exited: Promise<string>;
  /** It is made ready in the background until then. */
  readonly hurry: () => void;
}

export interface PoolOptions {
  readonly size: number;
  /** Starts one; it will say hello to the daemon, which offers it. Settles when that process is gone. */
  readonly spawn: () => Started;
  /** Digest of the mount table now; compared with a supervisor's own. */
  readonly mountTable: () => string;
  /** What to say of a supervisor that died before it was ready. */
  readonly lastWords: () => string;
  /** Has use for one more than the pool keeps. */
  readonly spare?: { readonly wanted: boolean; prepare(link: SupervisorLink): Promise<void> };
}

interface Waiter {
  readonly resolve: (link: SupervisorLink) => void;
  readonly reject: (error: CordonError) => void;
}

/** Milliseconds a launch waits for a supervisor. */
const takeDeadline = 60_000;
const maxBackoff = 10_000;
/** Milliseconds. */
const firstOfSession = 1000;

export class SupervisorPool {
  readonly #options: PoolOptions;
  readonly #ready: SupervisorLink[] = [];
  readonly #waiters: Waiter[] = [];
  /** Spawned, have not said hello. */
  readonly #starting = new Map<number, Started>();
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** `starting`: also what will be in a moment. */
  get counts(): { readonly ready: number; readonly starting: number } {
    const soon = this.#quiet === undefined ? 0 : this.#missing;
    return { ready: this.#ready.length, starting: this.#starting.size + soon };
  }

  get #missing(): number {
    const { size, spare } = this.#options;
    const wanted = size + this.#waiters.length + (size > 0 && spare?.wanted === true ? 1 : 0);
    return Math.max(0, wanted - this.#ready.length - this.#starting.size);
  }

  /** A session began. The machine is its agent's while that starts, unless the next launch would find nothing ready. */
  launched(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      this.#quiet = undefined;
      this.fill();
    }, firstOfSession).unref();
    setImmediate(() => this.fill());
  }

  /** Starts what is missing. */
  fill(): void {
    if (this.#stopped || this.#retry !== undefined) return;
    if (this.#quiet !== undefined && this.#ready.length > 0) return;
    for (let missing = this.#missing; missing > 0; missing--) this.#start();
  }

  /** A supervisor without a session has said hello. */
  offer(link: SupervisorLink): void {
    const started = this.#starting.get(link.pid);
    this.#starting.delete(link.pid);
    this.#failures = 0;
    void link.connection.closed.then(() => this.#left(link));
    const { size, spare } = this.#options;
    const waiter = this.#waiters.shift();
    const isKept = !this.#stopped && this.#ready.length < Math.max(size, 1);
    if (waiter !== undefined || isKept) started?.hurry();
    if (waiter !== undefined) waiter.resolve(link);
    else if (isKept) this.#ready.push(link);
    else if (!this.#stopped && spare?.wanted === true) void spare.prepare(link);
    else retire(link);
  }

  /** The caller owns the link from then on, and calls `launched` when it has time. */
  async take(): Promise<SupervisorLink> {
    this.dropStale();
    const link = this.#ready.shift();
    if (link !== undefined) return link;
    const { promise, resolve, reject } = Promise.withResolvers<SupervisorLink>();
    const waiter = { resolve, reject };
    this.#waiters.push(waiter);
    const timer = setTimeout(() => this.#giveUp(waiter, 'no supervisor was ready in time'), takeDeadline);
    this.fill();
    for (const started of this.#starting.values()) started.hurry();
    return promise.finally(() => clearTimeout(timer));
  }

  /** Retires those that were prepared for another mount table. */
  dropStale(): void {
    if (this.#ready.length === 0) return;
    const now = this.#options.mountTable();
    const stale = this.#ready.filter(({ hello }) => hello.mountTable !== '' && hello.mountTable !== now);
    for (const link of stale) {
      this.#ready.splice(this.#ready.indexOf(link), 1);
      retire(link);
    }
  }

  /** Idle supervisors end; those with sessions are not the pool's. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#quiet);
    for (const link of this.#ready.splice(0)) retire(link);
    for (const waiter of [...this.#waiters]) this.#giveUp(waiter, 'the daemon is stopping');
  }

  #start(): void {
    const started = this.#options.spawn();
    this.#starting.set(started.pid, started);
    void started.exited.then((how) => this.#exited(started.pid, how));
  }

  #exited(pid: number, how: string): void {
    if (!this.#starting.delete(pid) || this.#stopped) return;
    this.#failures += 1;
    const said = this.#options.lastWords();
    const text = `a supervisor ended before it was ready (${how})${said === '' ? '' : `: ${said}`}`;
    for (const waiter of [...this.#waiters]) this.#giveUp(waiter, text);
    const delay = Math.min(maxBackoff, 100 * 2 ** this.#failures);
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.fill();
    }, delay).unref();
  }

  #giveUp(waiter: Waiter, text: string): void {
    const at = this.#waiters.indexOf(waiter);
    if (at === -1) return;
    this.#waiters.splice(at, 1);
    const fix = 'look at the supervisor log in the state directory, and run: cordon doctor';
    waiter.reject(new CordonError('launch-failed', text, { fix }));
  }

  #left(link: SupervisorLink): void {
    const at = this.#ready.indexOf(link);
    if (at === -1) return;
    this.#ready.splice(at, 1);
    retire(link);
    this.fill();
  }
}
