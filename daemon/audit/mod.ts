import { keepAll } from '../model/mod.ts';
import type { NewRecord, RedactionPolicy, RetentionSettings } from '../model/mod.ts';
import type { HostFacts, SealText } from '../ocsf/mod.ts';
import {
  base64Of,
  consistencyProof,
  formatVerifierKey,
  inclusionProof,
  noteVerifier,
  parseCheckpoint,
  parseNote,
  rootOf,
} from '../proof/mod.ts';
import { Checkpoints } from './checkpoints.ts';
import type { CheckpointRow } from './checkpoints.ts';
import { convertRecords } from './convert.ts';
import { isDamage, openDatabase, unusable } from './database.ts';
import type { Database } from './database.ts';
import { EntrySource } from './entry-source.ts';
import type { EntriesRequest, LogEntry } from './entry-source.ts';
import { EventContexts } from './event-contexts.ts';
import type { Log, LogHead } from './log.ts';
import { startLog } from './log-start.ts';
import { exportFrame } from './export-frame.ts';
import type { ExportFrame, ExportRequest } from './export-frame.ts';
import { argumentsRedactor, keyInFile, redactor } from './redactor.ts';
import { Registry } from './registry.ts';
import { EntriesTable } from './entries-table.ts';
import { Search } from './search.ts';
import { Segments } from './segments.ts';
import { pruneStep } from './retention.ts';
import type { PruneResult } from './retention.ts';
import { settingsTable } from './settings-table.ts';
import type { SettingsTable } from './settings-table.ts';
import { stretchOf } from './stretch.ts';
import type { Stretch } from './stretch.ts';
import { softwareSigner } from './signer.ts';
import type { Signer } from './signer.ts';
import { Sinks } from './sinks.ts';
import { daemonStream, Spool } from './spool.ts';
import { storedColumns, StoredEvents } from './stored-events.ts';
import type { StoredEvent } from './stored-events.ts';
import { TokensTable } from './tokens-table.ts';

export { daemonStream } from './spool.ts';
export type { Follower } from './spool.ts';
export type { Spool };
export type { Registry, SessionFacts, SessionRow, SessionState } from './registry.ts';
export type { KeptRecord, RecordsQuery } from './entries-table.ts';
export type { EntriesRequest, ExportFrame, ExportRequest, LogEntry, LogHead, SettingsTable, Signer };
export { keyNameOf, softwareSigner } from './signer.ts';
export type { Search, SearchRequest } from './search.ts';
export type { SinkRow } from './sinks.ts';
export type { Sinks };
export type { TokensTable };

export interface AuditOptions {
  /** Unix time in milliseconds. */
  readonly now: () => number;
  /** What events say of this machine. */
  readonly host?: HostFacts;
  /** Signs checkpoints; a software key beside the database when not given. */
  readonly signer?: Signer;
  /** All is kept when not given; secrets never are. */
  readonly redaction?: RedactionPolicy;
  /** The host's key for hashes, undefined while it is locked; a file beside the database when not given. */
  readonly redactionKey?: () => Uint8Array | undefined;
  /** Undefined while its key is locked: what would be sealed is dropped, as where this is not given. */
  readonly seal?: () => SealText | undefined;
  /** Told when checkpoints were signed; must return at once and not throw. */
  readonly onSigned?: () => void;
  /** Bytes of a journal from which on a second thread reads it ahead; some megabytes when not given. */
  readonly backlog?: number;
}

export interface InclusionAnswer {
  readonly position: number;
  readonly index: number;
  /** Base64, nearest to the leaf first. */
  readonly proof: readonly string[];
  /** Checkpoint that the proof leads to. */
  readonly checkpoint: string;
  readonly event: string | undefined;
  readonly leaf: string;
}

export interface Audit {
  readonly spool: Spool;
  readonly registry: Registry;
  readonly settings: SettingsTable;
  readonly sinks: Sinks;
  readonly tokens: TokensTable;
  /** Why a new log began when this was opened; undefined when the log goes on, or is the first. */
  readonly restarted: string | undefined;
  /** Of the log that grows. */
  head(): LogHead;
  /** Verifier key of its checkpoints (C2SP signed-note). */
  verifierKey(): string;
  /** A signed note over all that is there now; undefined for an empty log. Throws when the disk takes nothing. */
  checkpoint(): string | undefined;
  /** The latest that was signed, which may be behind the log. */
  readonly latestCheckpoint: CheckpointRow | undefined;
  /** To be called now and then: signs what is due. */
  tend(): void;
  /** Proof that the event with this uid is in the log, against a checkpoint. Undefined: no such event in the log that grows. */
  inclusion(uid: string): InclusionAnswer | undefined;
  /** Base64 hashes. Throws RangeError for sizes the log does not have. */
  consistency(first: number, second: number): string[];
  /** Base64 roots of the log at two of its sizes. */
  roots(first: number, second: number): { readonly firstRoot: string; readonly secondRoot: string };
  entries(request: EntriesRequest): LogEntry[];
  readonly search: Search;
  /** Positions of the log that grows, from that time or to that time. */
  stretch(since?: number, until?: number): Stretch;
  /** What makes a file of exported entries prove itself. Throws RangeError for positions that are not there. */
  exportFrame(request: ExportRequest): ExportFrame;
  /** A sink has everything up to and with this position. `cosignatures`: lines of witnesses on the checkpoint of `size`. */
  acknowledge(
    sink: string,
    position: number,
    cosignatures?: { readonly size: number; readonly lines: string },
  ): void;
  /** One bounded step of what the retention asks for; `sinks` must have what goes, when there are any. */
  prune(policy: RetentionSettings, sinks: readonly string[]): PruneResult;
  close(): void;
}

/** Each takes a thousand entries into the index, when it is behind. */
const catchUpSteps = 4;

/** Milliseconds after which entries without a checkpoint get one. */
const checkpointInterval = 60_000;

const unknownHost: HostFacts = {
  hostname: '',
  uid: '',
  os: { name: '', version: '', kernel: '' },
  bootId: '',
  product: { version: '' },
};

interface Parts {
  readonly db: Database;
  readonly log: Log;
  readonly checkpoints: Checkpoints;
  readonly search: Search;
  readonly publicKey: Uint8Array;
  readonly restarted: string | undefined;
  readonly now: () => number;
}

/** Opens (or makes) the daemon's database at `path`. One process only: the caller holds the state directory's lock. */
export function openAudit(path: string, options: AuditOptions): Audit {
  const db = openDatabase(path);
  try {
    return auditIn(db, path, options);
  } catch (error) {
    db.close();
    throw isDamage(error) ? unusable(path, error) : error;
  }
}

function auditIn(db: Database, path: string, options: AuditOptions): Audit {
  const { now, host = unknownHost, signer, redaction = keepAll, redactionKey, seal, onSigned } = options;
  const key = signer ?? softwareSigner(`${path}.key`);
  const headFile = `${path}.head`;
  const { log, broken } = startLog({ db, signer: key, headFile, now });
  const keyOf = redactionKey ?? keyInFile(`${path}.redaction-key`);
  const registry = new Registry(db, argumentsRedactor(redaction, keyOf));
  registry.redactEarlier();
  const contexts = new EventContexts(registry, host);
  const checkpoints = new Checkpoints(db, log, key, headFile, now);
  if (onSigned !== undefined) checkpoints.onSigned = onSigned;
  const redact = redactor(redaction, keyOf, seal);
  const segments = new Segments(db);
  const first = { db, log, contexts, redact, segments, now, backlog: options.backlog };
  if (broken === undefined) convertRecords(first);
  const spool = new Spool(first);
  if (broken !== undefined) {
    spool.append(daemonStream, restartRecord(log, broken));
    convertRecords(first);
  }
  const search = new Search(db, segments, new EntriesTable(db));
  const { publicKey } = key;
  return auditOf({ db, log, checkpoints, search, publicKey, restarted: broken, now }, spool, registry);
}

function auditOf(parts: Parts, spool: Spool, registry: Registry): Audit {
  const { db, log, checkpoints, now, search } = parts;
  const source = new EntrySource(db);
  const sinks = new Sinks(db, now);
  const settings = settingsTable(db);
  const checkpoint = (): string | undefined => checkpoints.sign()?.note;
  const close = (): void => {
    if (!db.open) return;
    if (!checkpoints.locked) tryToSign(checkpoints);
    spool.close();
    db.close();
  };
  return {
    spool,
    registry,
    settings,
    sinks,
    tokens: new TokensTable(db),
    restarted: parts.restarted,
    head: () => log.head(),
    verifierKey: () => formatVerifierKey(noteVerifier(log.identity.origin, parts.publicKey)),
    checkpoint,
    get latestCheckpoint() {
      return checkpoints.latest;
    },
    tend: () => {
      // A clock that was put back must not put this off.
      const late = checkpoints.behind && Math.abs(now() - checkpoints.time) >= checkpointInterval;
      if ((late || log.due.length > 0) && !checkpoints.locked) tryToSign(checkpoints);
      for (let step = 0; step < catchUpSteps && search.catchUp(); step++);
      search.group();
    },
    search,
    inclusion: (uid) => inclusion(parts, uid),
    consistency: (a, b) => consistencyProof(log.nodes, a, b).map(base64Of),
    roots: (a, b) => ({
      firstRoot: base64Of(rootOf(log.nodes, a)),
      secondRoot: base64Of(rootOf(log.nodes, b)),
    }),
    entries: (request) => source.read(request),
    stretch: (since, until) => {
      const { base } = log.identity;
      return stretchOf(db, { from: base, to: base + log.size }, since, until);
    },
    exportFrame: (request) => exportFrame(parts, request),
    acknowledge: (sink, position, cosignatures) => {
      sinks.acknowledge(sink, position);
      if (cosignatures !== undefined) checkpoints.cosigned(cosignatures.size, cosignatures.lines);
    },
    prune: (policy, names) => {
      const signed = log.identity.base + (checkpoints.latest?.size ?? 0);
      const result = pruneStep(
        { db, log, spool, settings },
        { policy, confirmed: sinks.confirmedBy(names), signed, now: now() },
      );
      spool.full = result.full;
      return result;
    },
    close,
  };
}

/** What cannot be signed now is signed later: the entries are there. */
function tryToSign(checkpoints: Checkpoints): void {
  try {
    checkpoints.sign();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`cordond: no checkpoint could be signed: ${why}\n`);
  }
}

function inclusion({ db, log, checkpoints }: Parts, uid: string): InclusionAnswer | undefined {
  const match = /^([a-z0-9]{1,64})-(\d{1,15})(\.outcome)?$/.exec(uid);
  if (match === null) return undefined;
  const [, stream = '', seq, outcome] = match;
  const row = db
    .prepare<[string, number, number], StoredEvent & { position: number; leaf: Buffer }>(
      `SELECT position, leaf, ${storedColumns(db)} FROM entries WHERE stream = ? AND seq = ? AND part = ?`,
    )
    .get(stream, Number(seq), outcome === undefined ? 0 : 1);
  const index = (row?.position ?? 0) - log.identity.base;
  const covered = (checkpoints.latest?.size ?? 0) > index;
  const note = (covered ? checkpoints.latest : checkpoints.sign())?.note;
  if (row === undefined || note === undefined || index < 0) return undefined;
  const { size } = parseCheckpoint(parseNote(note).text);
  return {
    position: row.position,
    index,
    proof: inclusionProof(log.nodes, index, size).map(base64Of),
    checkpoint: note,
    event: new StoredEvents(db).text(row) ?? undefined,
    leaf: row.leaf.toString('base64'),
  };
}

const restartRecord = (log: Log, why: string): NewRecord => ({
  kind: 'finding',
  operation: 'log-restart',
  object: log.identity.origin,
  disposition: 'observed',
  layer: 'daemon',
  reason: `a new log begins, because ${why}`,
  detail: { base: log.identity.base },
});
