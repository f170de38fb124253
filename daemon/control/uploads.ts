// Shipping, as cordond sees it: feeds the uploader processes and the file sinks out of the log, at its own pace. No sink
// and no process can make it wait: they ask, and are answered when there is time.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CordonError } from '../model/mod.ts';
import type { FileSink, NewRecord, SinkSettings } from '../model/mod.ts';
import { fileSink, isNetworkSink, sleep, startPump } from '../uploader/mod.ts';
import type {
  EntryLog,
  NetworkSink,
  Power,
  Pump,
  Rotation,
  SinkReport,
  Source,
  Time,
} from '../uploader/mod.ts';
import { asCordonError } from '../wire/mod.ts';
import type { SinkInfo } from '../wire/mod.ts';
import { withSecrets } from './sink-secrets.ts';
import type { ReadSecret } from './sink-secrets.ts';
import { SinkState } from './sink-state.ts';
import { startUploaderLink } from './uploader-link.ts';
import type { UploaderLink, UploaderLinkOptions } from './uploader-link.ts';

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
/** Milliseconds between two records of a sink that fails now and then, or refuses. */
const noteInterval = 60_000;

interface Refusal {
  readonly records: number;
  /** Position of the batch in which the first of them was. */
  readonly from: number;
  readonly words: string;
}
const isNats = ({ settings }: SinkState): boolean => settings.kind === 'nats';

export class Uploads {
  readonly #options: UploadsOptions;
  readonly #sinks: ReadonlyMap<string, SinkState>;
  readonly #context: UploaderLinkOptions['context'];
  readonly #links: { readonly link: UploaderLink; readonly sinks: readonly SinkState[] }[] = [];
  readonly #pumps: Pump[] = [];
  /** By sink: whether its failing is on record, and since when. */
  readonly #failing = new Map<string, { readonly on: boolean; readonly since: number }>();
  /** By sink, since its refusals were told last: what else it refused. */
  readonly #refusals = new Map<string, Refusal | undefined>();
  #power: Power;
  #powerTimer: NodeJS.Timeout | undefined;
  #hint: NodeJS.Timeout | undefined;
  #free = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: UploadsOptions) {
    const { sinks, log, now } = options;
    this.#options = options;
    this.#power = options.power();
    this.#sinks = new Map(sinks.map((settings) => [settings.name, new SinkState(settings, log, now)]));
    this.#context = {
      log,
      paced: (work) => this.#paced(work),
      refused: (sink, records, from, words) => this.#refused(sink, records, from, words),
      told: (sink, report) => this.#told(sink, report),
    };
  }

  start(): void {
    if (this.#sinks.size === 0) return;
    for (const state of this.#sinks.values()) if (state.settings.kind === 'file') this.#startFile(state);
    this.#startNetwork();
    this.#powerTimer = setInterval(() => this.#lookAtPower(), powerInterval).unref();
  }

  stop(): void {
    clearInterval(this.#powerTimer);
    clearTimeout(this.#hint);
    for (const pump of this.#pumps) pump.stop();
    for (const { link } of this.#links) link.stop();
    const untold = [...this.#refusals];
    this.#refusals.clear();
    for (const [name, refusal] of untold) if (refusal !== undefined) this.#noteRefusal(name, refusal);
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
    return [...this.#sinks.values()].map((state) => state.info(this.#isLinked(state)));
  }

  get running(): boolean {
    return this.#links.length > 0 && this.#links.every(({ link }) => link.isOpen());
  }

  /** Of the processes that run, by the sinks they have. */
  get pids(): ReadonlyMap<string, number> {
    const entries = this.#links.flatMap(({ link, sinks }) => {
      const pid = link.pid();
      return pid === undefined ? [] : sinks.map(({ settings }) => [settings.name, pid] as const);
    });
    return new Map(entries);
  }

  #isLinked(state: SinkState): boolean {
    if (state.settings.kind === 'file') return true;
    return this.#links.some(({ link, sinks }) => sinks.includes(state) && link.isOpen());
  }

  /** What reads NATS is a library that takes in what a server sends: each such sink has a process of its own. */
  #startNetwork(): void {
    const network = [...this.#sinks.values()].filter(({ settings }) => isNetworkSink(settings));
    const [nats, others] = [network.filter(isNats), network.filter((state) => !isNats(state))];
    for (const sinks of [others, ...nats.map((state) => [state])])
      if (sinks.length > 0) this.#startLink(sinks);
  }

  #startLink(sinks: readonly SinkState[]): void {
    const { script, logFile } = this.#options;
    const names = sinks.map(({ settings }) => settings.name).join(', ');
    const link = startUploaderLink({
      sinks,
      context: this.#context,
      script,
      logFile,
      setup: () => this.#setup(),
      ready: (state) => this.#ready(state),
      ended: (how) => this.#ended(names, how),
      breach: (detail) => this.#note('uploader-breach', detail),
    });
    this.#links.push({ link, sinks });
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
    const needs = ({ settings }: SinkState): boolean =>
      isNetworkSink(settings) && settings.secrets !== undefined;
    for (const { link, sinks } of this.#links) if (sinks.some(needs)) link.renew();
  }

  #setup() {
    const { version, log, upstream, hosts } = this.#options;
    const { onBattery, percent } = this.#power;
    const { origin } = log;
    return { version, origin, upstream, hosts: JSON.stringify(hosts), onBattery, battery: percent };
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
    const sink = fileSink(settings, log.origin, now, (rotation) => this.#rotated(settings, rotation));
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
    for (const { link } of this.#links) link.hint(this.#power);
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

  /** At once, and then together: the record of a refusal is shipped too, and may be refused. */
  #refused({ settings: { name } }: SinkState, records: number, from: number, words: string): void {
    const before = this.#refusals.get(name);
    if (!this.#refusals.has(name)) this.#tellRefusal(name, { records, from, words });
    else
      this.#refusals.set(name, {
        records: records + (before?.records ?? 0),
        from: before?.from ?? from,
        words,
      });
  }

  #tellRefusal(name: string, refusal: Refusal): void {
    this.#refusals.set(name, undefined);
    this.#noteRefusal(name, refusal);
    setTimeout(() => {
      const more = this.#refusals.get(name);
      this.#refusals.delete(name);
      if (more !== undefined) this.#tellRefusal(name, more);
    }, noteInterval).unref();
  }

  #noteRefusal(name: string, { records, from, words }: Refusal): void {
    this.#note(
      'upload-refused',
      `sink ${name} refused ${records} records from position ${from} on: ${words}`,
    );
  }

  #rotated({ name, directory }: FileSink, { file, removed }: Rotation): void {
    this.#options.note({
      kind: 'log',
      operation: 'rotate',
      object: join(directory, file),
      disposition: 'observed',
      layer: 'daemon',
      reason: `sink ${name} began a new file`,
      detail: { sink: name, removed },
    });
  }

  #ended(sinks: string, how: string): void {
    process.stderr.write(`cordond: the uploader of ${sinks} ended (${how}) and is started again\n`);
    this.#note('uploader-ended', `the uploader of ${sinks} ended: ${how}; it is started again`);
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
