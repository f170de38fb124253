// People start the same agent in the same place again and again. So the last launch is remembered, and one idle
// supervisor has the whole sandbox for the next such launch ready: all but the journal and the command. A launch that
// differs in anything is served by the pool; what has changed on the machine meanwhile the supervisor itself finds out,
// and says `stale`. See docs/adr/0008.
import { createHash } from 'node:crypto';
import { closeSync, rmSync } from 'node:fs';
import { CordonError } from '../model/mod.ts';
import type { Plan } from '../model/mod.ts';
import type { Launch } from '../wire/mod.ts';
import { inBackground } from './background.ts';
import type { Actor } from './peer.ts';
import type { CheckedRun } from './run-request.ts';
import { retire } from './supervisor-link.ts';
import type { SupervisorLink } from './supervisor-link.ts';

export interface ForesightOptions {
  /** Compiled, or kept: the same object as long as nothing changed. Throws when there is no such profile any more. */
  readonly plan: (actor: Actor, run: CheckedRun) => Plan;
  /** A new session id, with its directories. */
  readonly reserve: () => string;
  readonly directory: (session: string) => string;
  readonly body: (actor: Actor, run: CheckedRun, session: string) => Partial<Launch>;
}

/** A supervisor that holds the sandbox of a session yet to come. Whoever has it owns the link. */
export interface Foreseen {
  readonly link: SupervisorLink;
  readonly session: string;
  /** SHA-256 (hex) of the plan's JSON as it was sent. */
  readonly digest: string;
}

interface Likely {
  readonly actor: Actor;
  readonly run: CheckedRun;
}
interface Ready extends Foreseen, Likely {
  readonly plan: Plan;
}

/** The machine may change while a launch is prepared: so often in a row it is tried anew. */
const patience = 4;
const isStale = (error: unknown): boolean => error instanceof CordonError && error.code === 'stale';

/** Milliseconds. */
const prepareDeadline = 30_000;

export class Foresight {
  readonly #options: ForesightOptions;
  #last: Likely | undefined;
  #ready: Ready | undefined;
  #preparing = false;
  #used = 0;
  #stale = 0;
  /** In a row. */
  #failures = 0;
  #stopped = false;

  constructor(options: ForesightOptions) {
    this.#options = options;
  }

  get counts(): Readonly<Record<'prepared' | 'preparing' | 'used' | 'stale', number>> {
    const [prepared, preparing] = [this.#ready === undefined ? 0 : 1, this.#preparing ? 1 : 0];
    return { prepared, preparing, used: this.#used, stale: this.#stale };
  }

  /** One more supervisor would be of use. */
  get wanted(): boolean {
    return !this.#stopped && this.#last !== undefined && this.#ready === undefined && !this.#preparing;
  }

  /** A launch went well. What is prepared for another is given up when this one came twice in a row. */
  note(actor: Actor, run: CheckedRun): void {
    // A profile given as a file is read anew each time.
    if (run.profile.startsWith('/')) return;
    const likely = { actor, run: { ...run, argv: [], environment: [], cwd: run.workspace } };
    const again = this.#last !== undefined && isSame(this.#last, likely);
    this.#last = likely;
    this.#failures = 0;
    if (again && this.#ready !== undefined && !isSame(this.#ready, likely)) this.#drop();
  }

  /** What is prepared for this launch, if anything: it is the caller's from then on. */
  take(actor: Actor, run: CheckedRun, plan: Plan): Foreseen | undefined {
    const ready = this.#ready;
    if (ready?.plan !== plan || !isSame(ready, { actor, run }) || !ready.link.connection.isOpen)
      return undefined;
    this.#ready = undefined;
    this.#used += 1;
    return ready;
  }

  /** What was taken last could not be used. */
  wasStale(): void {
    this.#used -= 1;
    this.#stale += 1;
  }

  /** Takes over an idle supervisor, and has it prepare. */
  async prepare(link: SupervisorLink): Promise<void> {
    const likely = this.#last;
    if (likely === undefined || !this.wanted) {
      retire(link);
      return;
    }
    this.#preparing = true;
    let session: string | undefined;
    try {
      session = this.#options.reserve();
      const ready = await this.#ask(link, likely, session);
      this.#preparing = false;
      this.#failures = 0;
      this.#ready = ready;
      void link.connection.closed.then(() => this.#left(ready));
      this.recheck();
    } catch (error) {
      this.#preparing = false;
      this.#failures += 1;
      if (!isStale(error) || this.#failures >= patience) this.#last = undefined; // not again before a launch has gone well
      this.#giveUp(link, session);
      process.stderr.write(`cordond: a launch could not be prepared: ${String(error)}\n`);
    }
  }

  async #ask(link: SupervisorLink, { actor, run }: Likely, session: string): Promise<Ready> {
    const plan = this.#options.plan(actor, run);
    const json = JSON.stringify(plan);
    const body = { ...this.#options.body(actor, run, session), plan: json };
    await inBackground(link.pid, () =>
      link.connection.askFor('prepare', body, 'ack', { deadline: prepareDeadline }),
    );
    const digest = createHash('sha256').update(json).digest('hex');
    return { link, session, plan, digest, actor, run };
  }

  /** After profiles changed, or the mount table did: what was prepared for the old ones ends. */
  recheck(mountTable?: string): void {
    const ready = this.#ready;
    if (ready === undefined) return;
    const { mountTable: own } = ready.link.hello;
    if (this.#stopped || this.#planNow(ready) !== ready.plan || (mountTable ?? own) !== own) this.#drop();
  }

  stop(): void {
    this.#stopped = true;
    this.#drop();
  }

  #planNow({ actor, run }: Likely): Plan | undefined {
    try {
      return this.#options.plan(actor, run);
    } catch {
      return undefined;
    }
  }

  #drop(): void {
    const ready = this.#ready;
    this.#ready = undefined;
    if (ready !== undefined) this.#giveUp(ready.link, ready.session);
  }

  #giveUp(link: SupervisorLink, session: string | undefined): void {
    retire(link);
    if (session !== undefined) this.#remove(session);
  }

  /** What cannot be removed now is removed by the next daemon. */
  #remove(session: string): void {
    try {
      rmSync(this.#options.directory(session), { recursive: true, force: true });
    } catch (error) {
      process.stderr.write(`cordond: a directory stays behind: ${String(error)}\n`);
    }
  }

  /** It died, or was taken: only the first is ours to clear away. */
  #left(ready: Ready): void {
    if (this.#ready !== ready) return;
    this.#ready = undefined;
    closeSync(ready.link.pidfd);
    this.#remove(ready.session);
  }
}

const isSame = (a: Likely, b: Likely): boolean =>
  a.actor.uid === b.actor.uid &&
  a.actor.admin === b.actor.admin &&
  JSON.stringify(a.run.account) === JSON.stringify(b.run.account) &&
  a.run.profile === b.run.profile &&
  a.run.mode === b.run.mode &&
  a.run.workspace === b.run.workspace &&
  a.run.tty === b.run.tty;
