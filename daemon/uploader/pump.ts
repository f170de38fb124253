// One sink's loop: ask for a batch, deliver it, acknowledge what the sink has taken, and only then ask for the next.
// Holds one batch and no more, however long the sink is away. The cursor is the source's.
import type { SinkSettings } from '../model/mod.ts';
import { backoff } from './backoff.ts';
import { sinkError, SinkError } from './entry.ts';
import type { Batch, Checkpoint, Cosigned, Delivery, Sink, SinkReport, Source, Witness } from './entry.ts';
import type { Time } from './time.ts';

export interface Power {
  readonly onBattery: boolean;
  readonly percent: number;
}

export interface PumpOptions {
  readonly settings: Pick<SinkSettings, 'batch' | 'bandwidth' | 'battery'>;
  readonly source: Source;
  readonly sink: Sink;
  readonly witness?: Witness;
  readonly time: Time;
  readonly power: () => Power;
  /** Position that is to be sent next. */
  readonly next: number;
}

export interface Pump {
  /** There is more, or power has changed. */
  hint(): void;
  stop(): void;
  /** Settles when the pump has stopped; rejects with what the source threw. */
  readonly ended: Promise<void>;
}

/** Milliseconds after which an idle pump looks without having been told. */
const lookAgain = 30_000;
const calm: SinkReport = { state: 'idle', error: '', fix: '', nextTry: 0, warning: '' };

export function startPump(options: PumpOptions): Pump {
  const stopped = new AbortController();
  const run = new Run(options, stopped.signal);
  return {
    hint: () => run.hint(),
    stop: () => {
      stopped.abort();
      options.sink.close();
    },
    ended: run.loop(),
  };
}

/** The state of one pump. */
class Run {
  readonly #options: PumpOptions;
  readonly #stopped: AbortSignal;
  #hinted = new AbortController();
  #next: number;
  #failures = 0;
  /** `elapsed` from which on bandwidth allows more. */
  #allowed = 0;
  #report: SinkReport = calm;
  /** Size of the latest checkpoint that the sink has. */
  #checkpoint = 0;
  #toCosign: Checkpoint | undefined;
  #witnessFailures = 0;
  #witnessAfter = 0;

  constructor(options: PumpOptions, stopped: AbortSignal) {
    this.#options = options;
    this.#stopped = stopped;
    this.#next = options.next;
  }

  hint(): void {
    const { power, settings } = this.#options;
    // A hint does not cut short the wait after a failure, and does not wake a pump that may not send.
    if (this.#report.state === 'paused' && isLow(power(), settings.battery)) return;
    this.#hinted.abort();
  }

  async loop(): Promise<void> {
    try {
      while (!this.#stopped.aborted) await this.#turn();
    } catch (error) {
      if (!this.#stopped.aborted) throw error;
    }
  }

  async #turn(): Promise<void> {
    const { source, settings, power } = this.#options;
    if (isLow(power(), settings.battery)) return this.#pause();
    const hinted = this.#newHint();
    const batch = await source.next(this.#next, settings.batch, this.#checkpoint);
    if (batch.entries.length === 0 && batch.checkpoint === undefined) return this.#nothing(batch, hinted);
    await this.#bandwidth();
    if (this.#stopped.aborted) return;
    this.#say({ ...this.#report, state: 'sending', nextTry: 0 });
    const delivery = await this.#deliver(batch);
    await this.#settle(batch, delivery);
  }

  #deliver({ entries, checkpoint }: Batch): Promise<Delivery> {
    return this.#options.sink
      .deliver(entries, checkpoint)
      .catch((error: unknown): Delivery => ({ accepted: 0, bytes: 0, error: sinkError(error) }));
  }

  /** Nothing of this stretch of the log is for this sink, or there is none. */
  async #nothing({ through, more }: Batch, hinted: AbortSignal): Promise<void> {
    if (through > this.#next) {
      this.#next = through;
      await this.#options.source.acknowledge(acknowledgement(through));
    }
    if (more) return;
    await this.#cosign();
    this.#say({ ...this.#report, state: 'idle', nextTry: 0 });
    await this.#options.time.sleep(lookAgain, AbortSignal.any([hinted, this.#stopped]));
  }

  async #settle(batch: Batch, delivery: Delivery): Promise<void> {
    const { error, bytes, accepted } = delivery;
    this.#owe(bytes);
    // All entries may be there, and only the checkpoint behind them not.
    const through = batch.entries[accepted]?.position ?? batch.through;
    const moved = through > this.#next || accepted > 0;
    this.#next = Math.max(this.#next, through);
    if (moved || bytes > 0) await this.#options.source.acknowledge(acknowledgement(this.#next, delivery));
    if (error !== undefined) return this.#wait(error, accepted > 0);
    this.#failures = 0;
    this.#say({ ...calm, state: 'sending', warning: delivery.warning ?? '' });
    if (batch.checkpoint === undefined) return;
    this.#checkpoint = batch.checkpoint.size;
    this.#toCosign = batch.checkpoint;
    await this.#cosign();
  }

  async #wait(error: SinkError, progress: boolean): Promise<void> {
    const { time } = this.#options;
    this.#failures = progress ? 1 : this.#failures + 1;
    const pause = backoff(this.#failures, error.facts.retryAfter ?? 0, time.random());
    this.#say({
      state: 'waiting',
      error: error.message,
      fix: error.facts.fix ?? '',
      nextTry: time.now() + pause,
      warning: '',
    });
    await time.sleep(pause, this.#stopped);
  }

  async #pause(): Promise<void> {
    const hinted = this.#newHint();
    this.#say({ ...this.#report, state: 'paused', nextTry: 0 });
    await this.#options.time.sleep(lookAgain, AbortSignal.any([hinted, this.#stopped]));
  }

  #owe(bytes: number): void {
    const { settings, time } = this.#options;
    if (settings.bandwidth === 0) return;
    this.#allowed = Math.max(this.#allowed, time.elapsed()) + (bytes * 1000) / settings.bandwidth;
  }

  async #bandwidth(): Promise<void> {
    const { time } = this.#options;
    const early = this.#allowed - time.elapsed();
    if (early > 0) await time.sleep(early, this.#stopped);
  }

  /** A witness that fails holds nothing up: it is asked again later, about a newer checkpoint if there is one. */
  async #cosign(): Promise<void> {
    const { witness, source, time } = this.#options;
    const checkpoint = this.#toCosign;
    if (witness === undefined || checkpoint === undefined || time.elapsed() < this.#witnessAfter) return;
    let cosigned: Cosigned;
    try {
      cosigned = await witness.cosign(checkpoint, (from, to) => source.proof(from, to));
    } catch (error) {
      const { message, facts } = sinkError(error);
      this.#witnessFailures += 1;
      this.#witnessAfter =
        time.elapsed() + backoff(this.#witnessFailures, facts.retryAfter ?? 0, time.random());
      this.#say({ ...this.#report, warning: `witness: ${message}`, fix: facts.fix ?? '' });
      return;
    }
    this.#witnessFailures = 0;
    this.#toCosign = undefined;
    await source.acknowledge({ ...acknowledgement(this.#next), cosigned });
  }

  #newHint(): AbortSignal {
    this.#hinted = new AbortController();
    return this.#hinted.signal;
  }

  /** Told when it changes only: a busy sink does not chatter. */
  #say(report: SinkReport): void {
    const before = this.#report;
    this.#report = report;
    if (JSON.stringify(before) !== JSON.stringify(report)) this.#options.source.report(report);
  }
}

const isLow = ({ onBattery, percent }: Power, limit: number): boolean => onBattery && percent < limit;

const acknowledgement = (through: number, delivery?: Delivery) => ({
  through,
  records: delivery?.accepted ?? 0,
  duplicates: delivery?.duplicates ?? 0,
  refused: delivery?.refused ?? 0,
  refusal: delivery?.refusal ?? '',
  bytes: delivery?.bytes ?? 0,
});
