// Shipping, as cordond sees it: feeds the uploader process and the file sinks out of the log, at its own pace. No sink
// and no process can make it wait: they ask, and are answered when there is time.
import { setTimeout as delay } from 'node:timers/promises';
import type { Socket } from 'node:net';
import type { NewRecord, SinkSettings } from '../model/mod.ts';
import { CordonError } from '../model/mod.ts';
import { fileSink, isNetworkSink, packSink, sleep, startPump } from '../uploader/mod.ts';
import type { EntryLog, NetworkSink, Power, Pump, SinkReport, Source, Time } from '../uploader/mod.ts';
import { asCordonError, Connection } from '../wire/mod.ts';
import type { Incoming, SinkInfo } from '../wire/mod.ts';
import { Rate } from './rate.ts';
import { SinkState } from './sink-state.ts';
import { withSecrets } from './sink-secrets.ts';
import type { ReadSecret } from './sink-secrets.ts';
import { dispatch } from './table.ts';
import { keepUploader } from './uploader-process.ts';
import type { UploaderProcess } from './uploader-process.ts';
import { uploaderTable } from './uploader-table.ts';
import type { UploaderContext } from './uploader-table.ts';

export interface UploadsOptions {
  readonly sinks: readonly SinkSettings[];
  readonly log: EntryLog;
  readonly script: string;
  readonly logFile: string;
  readonly version: string;
  readonly upstream: readonly string[];
  readonly hosts: Readonly<Record<string, readonly string[]>>;
  readonly now: () => number;
  readonly note: (record: NewRecord) => void;
  /** Secrets that sinks name; there are none when not given. */
  readonly secret?: ReadSecret;
  /** Looked at now and then. */
  readonly power: () => Power;
}

/** Of the time that answering took, so much again is left to everything else before the next answer. */
const share = 4;
/** Milliseconds between two hints, and between two looks at the battery. */
const hintInterval = 250;
const powerInterval = 30_000;
/** Milliseconds between two records of a sink that fails now and then. */
const noteInterval = 60_000;
/** Messages a second and at once, and requests that wait: more is no uploader of ours. */
const rate = 2000;
const burst = 4000;
const inFlight = 64;

export class Uploads {
  readonly #options: UploadsOptions;
  readonly #sinks: ReadonlyMap<string, SinkState>;
  readonly #context: UploaderContext;
  readonly #pumps: Pump[] = [];
  /** By sink: whether its failing is on record, and since when. */
  readonly #failing = new Map<string, { readonly on: boolean; readonly since: number }>();
  #process: UploaderProcess | undefined;
  #connection: Connection | undefined;
  #power: Power;
  #powerTimer: NodeJS.Timeout | undefined;
  #hint: NodeJS.Timeout | undefined;
  #free = 0;
  /** Its process is ended by us, for another to have what has changed. */
  #renewing = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: UploadsOptions) {
    const { sinks, log, now } = options;
    this.#options = options;
    this.#power = options.power();
    this.#sinks = new Map(sinks.map((settings) => [settings.name, new SinkState(settings, log, now)]));
    this.#context = {
      log,
      sinks: this.#sinks,
      paced: (work) => this.#paced(work),
      refused: (sink, records, from, words) => this.#refused(sink, records, from, words),
      told: (sink, report) => this.#told(sink, report),
      acknowledged: () => this.#process?.sound(),
    };
  }

  start(): void {
    if (this.#sinks.size === 0) return;
    const { script, logFile } = this.#options;
    for (const state of this.#sinks.values()) if (state.settings.kind === 'file') this.#startFile(state);
    if (this.#network.length > 0)
      this.#process = keepUploader({
        script,
        logFile,
        linked: (socket) => this.#link(socket),
        ended: (how) => this.#ended(how),
      });
    this.#powerTimer = setInterval(() => this.#lookAtPower(), powerInterval).unref();
  }

  stop(): void {
    clearInterval(this.#powerTimer);
    clearTimeout(this.#hint);
    for (const pump of this.#pumps) pump.stop();
    this.#process?.stop();
    this.#connection?.close();
  }

  /** There are new entries. Told to the pumps a little later, once for many. */
  hint(): void {
    if (this.#sinks.size === 0) return;
    this.#hint ??= setTimeout(() => {
      this.#hint = undefined;
      this.#tellPumps();
    }, hintInterval).unref();
  }

  infos(): SinkInfo[] {
    const linked = this.#connection?.isOpen ?? false;
    return [...this.#sinks.values()].map((state) => state.info(linked || state.settings.kind === 'file'));
  }

  get running(): boolean {
    return this.#connection?.isOpen ?? false;
  }

  get pid(): number | undefined {
    return this.#process?.pid();
  }

  get #network(): SinkState[] {
    return [...this.#sinks.values()].filter(({ settings }) => isNetworkSink(settings));
  }

  #link(socket: Socket): void {
    let waiting = 0;
    const limit = new Rate(rate, burst, performance.now());
    const onMessage = (incoming: Incoming, connection: Connection): void => {
      if (!limit.take(performance.now()) || waiting >= inFlight)
        throw new CordonError('limit', 'the uploader asks too often');
      waiting += 1;
      const done = dispatch(uploaderTable, 'open', this.#context, { connection, incoming });
      void done.finally(() => (waiting -= 1));
    };
    const connection = new Connection(socket, { onMessage });
    this.#connection = connection;
    this.#setUp(connection);
    void connection.closed.then(({ why, detail }) => {
      if (why !== 'ended' && why !== 'closed-here') this.#note('uploader-breach', detail);
      // It has no link any more, whatever it goes on doing.
      if (this.#connection === connection) this.#process?.kill();
    });
  }

  #setUp(connection: Connection): void {
    const { version, log, upstream, hosts } = this.#options;
    const sinks = this.#network.flatMap((state) => {
      state.restart();
      const settings = this.#ready(state);
      return settings === undefined ? [] : [packSink({ settings, next: state.next })];
    });
    const { onBattery, percent } = this.#power;
    connection.notify('uploadSetup', {
      version,
      origin: log.origin,
      sinks,
      upstream,
      hosts: JSON.stringify(hosts),
      onBattery,
      battery: percent,
    });
  }

  /** Undefined while what it needs of the vault is not there: that sink waits, and the others do not. */
  #ready(state: SinkState): NetworkSink | undefined {
    const { settings } = state;
    if (!isNetworkSink(settings)) throw new CordonError('internal', `${settings.name} is no network sink`);
    try {
      return withSecrets(settings, this.#options.secret ?? (() => undefined));
    } catch (error) {
      const { message, facts } = asCordonError(error);
      this.#told(state, { state: 'waiting', error: message, fix: facts.fix ?? '', nextTry: 0, warning: '' });
      return undefined;
    }
  }

  /** The secrets are other ones, or are there now: who needs them begins anew, where the cursor is. */
  secretsChanged(): void {
    const concerned = this.#network.some(({ settings }) => isNetworkSink(settings) && settings.secrets);
    if (!concerned || this.pid === undefined) return;
    this.#renewing = true;
    this.#process?.kill();
  }

  #startFile(state: SinkState): void {
    const { settings } = state;
    if (settings.kind !== 'file') return;
    const { log, now } = this.#options;
    const source: Source = {
      next: (from, limit, checkpoint) => this.#paced(() => state.batch(from, limit, checkpoint)),
      acknowledge: (acknowledgement) => this.#paced(() => state.acknowledge(acknowledgement)),
      proof: (from, to) => this.#paced(() => log.consistency(from, to)),
      report: (report) => this.#told(state, report),
    };
    const time: Time = { now, elapsed: () => performance.now(), random: Math.random, sleep };
    const sink = fileSink(settings, log.origin, now);
    const power = (): Power => this.#power;
    const pump = startPump({ settings, source, sink, time, power, next: state.next });
    this.#pumps.push(pump);
    // The log itself failed, a full disk above all: begun anew later, where the cursor is.
    pump.ended.catch((error: unknown) => {
      this.#pumps.splice(this.#pumps.indexOf(pump), 1);
      this.#note('upload-failing', `sink ${settings.name}: ${String(error)}`);
      setTimeout(() => this.#startFile(state), powerInterval).unref();
    });
  }

  /** One at a time, and never more than a part of the daemon's time. */
  #paced<T>(work: () => T): Promise<T> {
    const mine = this.#turn.then(async () => {
      const early = this.#free - performance.now();
      if (early > 1) await delay(early, undefined, { ref: false });
      const begun = performance.now();
      try {
        return work();
      } finally {
        const spent = performance.now() - begun;
        this.#free = performance.now() + share * spent;
      }
    });
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  #tellPumps(): void {
    const { onBattery, percent } = this.#power;
    this.#connection?.notify('uploadHint', { onBattery, battery: percent });
    for (const pump of this.#pumps) pump.hint();
  }

  #lookAtPower(): void {
    const before = this.#power;
    this.#power = this.#options.power();
    const { onBattery, percent } = this.#power;
    if (before.onBattery !== onBattery || before.percent !== percent) this.#tellPumps();
  }

  /** On record when a sink begins to fail, and when it no longer does: not each time, for these are shipped too. */
  #told(sink: SinkState, report: SinkReport): void {
    sink.told(report);
    const { name } = sink.settings;
    const failing = this.#failing.get(name);
    const now = performance.now();
    if (
      report.error !== '' &&
      (failing === undefined || (!failing.on && now - failing.since > noteInterval))
    ) {
      this.#failing.set(name, { on: true, since: now });
      this.#note('upload-failing', `sink ${name}: ${report.error}`);
    } else if (report.error === '' && failing?.on === true) {
      this.#failing.set(name, { ...failing, on: false });
      this.#note('upload-resumed', `sink ${name} takes records`);
    }
  }

  #refused(sink: SinkState, records: number, from: number, words: string): void {
    const reason = `sink ${sink.settings.name} refused ${records} records from position ${from} on: ${words}`;
    this.#note('upload-refused', reason);
  }

  #ended(how: string): void {
    const renewing = this.#renewing;
    this.#renewing = false;
    if (renewing) return;
    process.stderr.write(`cordond: the uploader ended (${how}) and is started again\n`);
    this.#note('uploader-ended', `the uploader ended: ${how}; it is started again`);
  }

  #note(operation: string, reason: string): void {
    this.#options.note({
      kind: 'admin',
      operation,
      object: 'uploader',
      disposition: 'observed',
      layer: 'daemon',
      reason,
    });
  }
}
