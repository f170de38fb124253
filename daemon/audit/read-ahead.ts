// Behind a long journal a second thread does what needs no log (preparation.ts), while this one chains, indexes and keeps
// what that one has done: a few windows ahead of it, and none that does not fit where the log is. A quiet machine has no
// such thread.
import { Worker } from 'node:worker_threads';
import type { EventContext, EventTemplate } from '../ocsf/mod.ts';
import type { IntakeAnswer, IntakeRequest } from './intake-thread.ts';
import type { PreparationOrder } from './preparation.ts';
import type { PreparedWindow } from './prepared-window.ts';

/** Windows that are asked for and not taken yet: two or three megabytes at most, as journals usually are. */
const outstanding = 4;
/** Milliseconds after which a thread that has nothing to do ends. */
const patience = 5000;

/** One journal, read ahead. */
export class ReadAhead {
  readonly context: EventContext;
  /** Of the windows that were taken. */
  readonly templates = new Map<number, EventTemplate>();
  readonly #ask: (ask: 'window' | 'end') => void;
  readonly #windows: PreparedWindow[] = [];
  #waiting: PromiseWithResolvers<undefined> | undefined;
  #ended = false;

  constructor(context: EventContext, ask: (ask: 'window' | 'end') => void) {
    this.context = context;
    this.#ask = ask;
    for (let i = 0; i < outstanding; i++) ask('window');
  }

  /** The window that begins here, behind this number; undefined when the thread has none that does. */
  take(cursor: number, highest: number): PreparedWindow | undefined {
    const [window] = this.#windows;
    if (window?.from !== cursor || window.highest !== highest) return undefined;
    this.#windows.shift();
    if (!this.#ended) this.#ask('window');
    return window;
  }

  /** When the next window is there, or none will come; undefined when that is so now. */
  arrival(): Promise<undefined> | undefined {
    if (this.#ended || this.#windows.length > 0) return undefined;
    this.#waiting ??= Promise.withResolvers<undefined>();
    return this.#waiting.promise;
  }

  arrived(window: PreparedWindow | undefined): void {
    if (window === undefined) this.#ended = true;
    else this.#windows.push(window);
    this.#waiting?.resolve(undefined);
    this.#waiting = undefined;
  }

  end(): void {
    this.arrived(undefined);
    this.#ask('end');
  }
}

/** The thread, and what it reads. */
export class ReadingAhead {
  readonly #jobs = new Map<number, ReadAhead>();
  #worker: Worker | undefined;
  #last = 0;
  #idle: NodeJS.Timeout | undefined;
  #failed = false;

  /** The thread did not end by itself so far: one that did is not tried again. */
  get able(): boolean {
    return !this.#failed;
  }

  begin(order: PreparationOrder): ReadAhead {
    clearTimeout(this.#idle);
    this.#last += 1;
    const job = this.#last;
    const worker = (this.#worker ??= this.#start());
    worker.ref();
    const send = (request: IntakeRequest): void => {
      if (this.#worker === worker) worker.postMessage(request);
    };
    send({ job, ask: 'begin', order });
    const ahead = new ReadAhead(order.context, (ask) => {
      send({ job, ask });
      if (ask === 'end') this.#gone(job);
    });
    this.#jobs.set(job, ahead);
    return ahead;
  }

  close(): void {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
    this.#abandon();
  }

  #start(): Worker {
    // Beside the program when bundled, a module beside this one otherwise.
    const script = import.meta.url.endsWith('.js') ? './audit-intake-thread.js' : './intake-thread.ts';
    const worker = new Worker(new URL(script, import.meta.url));
    worker.on('message', ({ job, window }: IntakeAnswer) => this.#jobs.get(job)?.arrived(window));
    // Without it the journals are taken in by the thread that keeps the log.
    const lost = (why: string) => (): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#failed = true;
      process.stderr.write(`cordond: the thread that reads journals ahead ended: ${why}\n`);
      this.#abandon();
    };
    worker.on('error', (error) => lost(String(error))());
    worker.on('exit', lost('it stopped'));
    return worker;
  }

  #abandon(): void {
    for (const ahead of this.#jobs.values()) ahead.arrived(undefined);
    this.#jobs.clear();
  }

  #gone(job: number): void {
    this.#jobs.delete(job);
    if (this.#jobs.size > 0) return;
    this.#worker?.unref();
    this.#idle = setTimeout(() => this.close(), patience).unref();
  }
}
