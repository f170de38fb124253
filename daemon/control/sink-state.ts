// What cordond knows of one sink: its place in the log, which only an acknowledgement moves, and how it fares.
import type { SinkSettings } from '../model/mod.ts';
import { CordonError } from '../model/mod.ts';
import type { NoteVerifier } from '../proof/mod.ts';
import { offer } from '../uploader/mod.ts';
import type { Acknowledgement, Batch, Cosigned, EntryLog, SinkReport } from '../uploader/mod.ts';
import { asCordonError } from '../wire/mod.ts';
import type { SinkInfo } from '../wire/mod.ts';
import { checkedCosignature, witnessKeyOf } from './cosignature.ts';

export class SinkState {
  readonly settings: SinkSettings;
  readonly #log: EntryLog;
  readonly #now: () => number;
  readonly #witness: NoteVerifier | undefined;
  /** The latest checkpoint that was handed out. */
  #checkpoint: Batch['checkpoint'];
  #next: number;
  /** Position up to which the sink has been given what there is. */
  #handed: number;
  #sent = 0;
  #counts = { acknowledged: 0, duplicates: 0, refused: 0, bytes: 0 };
  #lastAcknowledged = 0;
  #errorTime = 0;
  #cosigned = 0;
  /** What is wrong with the signature that came last. */
  #falseSignature = '';
  #report: SinkReport = { state: 'idle', error: '', fix: '', nextTry: 0, warning: '' };

  constructor(settings: SinkSettings, log: EntryLog, now: () => number) {
    this.settings = settings;
    this.#log = log;
    this.#now = now;
    this.#witness = witnessKeyOf(settings);
    this.#next = log.cursor(settings.name);
    this.#handed = this.#next;
  }

  /** Position that is to be sent next. */
  get next(): number {
    return this.#next;
  }

  get report(): SinkReport {
    return this.#report;
  }

  /** A new process begins where the last acknowledgement was. */
  restart(): void {
    this.#handed = this.#next;
  }

  batch(from: number, limit: number, checkpoint: number): Batch {
    if (from !== this.#next)
      throw new CordonError(
        'protocol',
        `sink ${this.settings.name} asked from ${from}, and has acknowledged up to ${this.#next}`,
      );
    const most = Math.min(Math.max(limit, 1), this.settings.batch);
    const batch = offer(this.#log, this.settings.filter, { from, limit: most, checkpoint });
    this.#handed = Math.max(this.#handed, batch.through);
    this.#sent += batch.entries.length;
    this.#checkpoint = batch.checkpoint ?? this.#checkpoint;
    return batch;
  }

  /** Throws CordonError('protocol') for what the sink was never given. */
  acknowledge({ through, cosigned, ...counts }: Acknowledgement): void {
    const { name } = this.settings;
    if (through < this.#next || through > this.#handed)
      throw new CordonError(
        'protocol',
        `sink ${name} acknowledged ${through}, and was given ${this.#next} to ${this.#handed}`,
      );
    const cosignatures = cosigned === undefined ? undefined : this.#checked(cosigned);
    if (cosignatures !== undefined) this.#falseSignature = '';
    if (through > this.#next || cosignatures !== undefined)
      this.#log.acknowledge(name, through, cosignatures);
    this.#next = through;
    this.#cosigned = Math.max(this.#cosigned, cosignatures?.size ?? 0);
    this.#count(counts);
  }

  /** A false one is the witness's fault, or of whoever stands in for it: not kept, and said. */
  #checked({ size, signatures }: Cosigned): { size: number; lines: string } | undefined {
    const checkpoint = this.#checkpoint;
    try {
      if (checkpoint?.size !== size)
        throw new CordonError('protocol', `no checkpoint of size ${size} was asked about`);
      return { size, lines: checkedCosignature(checkpoint.note, signatures, this.#witness) };
    } catch (error) {
      this.#falseSignature = `witness: ${asCordonError(error).message}`;
      return undefined;
    }
  }

  #count({
    records,
    duplicates,
    refused,
    bytes,
  }: Omit<Acknowledgement, 'through' | 'refusal' | 'cosigned'>): void {
    this.#counts.acknowledged += records - refused;
    this.#counts.duplicates += duplicates;
    this.#counts.refused += refused;
    this.#counts.bytes += bytes;
    if (records > 0) this.#lastAcknowledged = this.#now();
  }

  told(report: SinkReport): void {
    if (report.error !== '') this.#errorTime = this.#now();
    this.#report = report;
  }

  info(running: boolean): SinkInfo {
    const size = this.#log.size();
    const [oldest] = this.#next < size ? this.#log.entries(this.#next, 1).entries : [];
    const { state, error, fix, nextTry, warning } = this.#report;
    return {
      name: this.settings.name,
      kind: this.settings.kind,
      target: targetOf(this.settings),
      state: running ? state : 'starting',
      next: this.#next,
      lag: Math.max(0, size - this.#next),
      lagSeconds: oldest === undefined ? 0 : Math.max(0, (this.#now() - oldest.time) / 1000),
      sent: this.#sent,
      ...this.#counts,
      lastAcknowledged: this.#lastAcknowledged,
      error,
      errorTime: error === '' ? 0 : this.#errorTime,
      fix,
      nextTry,
      warning: warning === '' ? this.#falseSignature : warning,
      cosigned: this.#cosigned,
    };
  }
}

function targetOf(settings: SinkSettings): string {
  if (settings.kind === 'otlp') return settings.url;
  if (settings.kind === 'file') return settings.directory;
  return `${settings.servers.join(' ')} ${settings.stream}`;
}
