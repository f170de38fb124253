// Records of connections that were closed for what their peer did, and of requests that were refused because of who
// asked: one a second of the same kind, those that come in between counted in one more, so that a flood of offences is not
// a flood of records and none is forgotten.
import type { NewRecord } from '../model/mod.ts';
import type { CloseReason } from '../wire/mod.ts';
import type { Actor } from './peer.ts';

const interval = 1000;
const maxKinds = 1000;

interface Recent {
  last: number;
  /** Since the last record. */
  held: number;
  /** Of the latest that is held. */
  record: (count: number) => NewRecord;
  timer?: NodeJS.Timeout | undefined;
}

export class Closures {
  readonly #write: (record: NewRecord) => void;
  readonly #now: () => number;
  readonly #recent = new Map<string, Recent>();

  /** `now`: milliseconds of a clock that nobody sets. */
  constructor(write: (record: NewRecord) => void, now: () => number = () => performance.now()) {
    this.#write = write;
    this.#now = now;
  }

  report(door: string, actor: Actor | undefined, { why, detail }: CloseReason): void {
    this.#once(`${door} ${actor?.uid ?? '?'} ${why}`, (count) =>
      offence('connection-closed', `${door}.sock`, `${why}: ${detail}`, actor, count),
    );
  }

  refused(actor: Actor, request: string, reason: string): void {
    this.#once(`refused ${actor.uid} ${request}`, (count) =>
      offence('request-refused', request, reason, actor, count),
    );
  }

  /** What is held is written now. */
  flush(): void {
    for (const recent of this.#recent.values()) this.#tell(recent);
  }

  #once(key: string, record: (count: number) => NewRecord): void {
    const now = this.#now();
    const recent = this.#recent.get(key);
    if (recent !== undefined && now - recent.last < interval) {
      recent.held += 1;
      recent.record = record;
      recent.timer ??= setTimeout(() => this.#tell(recent), interval).unref();
      return;
    }
    clearTimeout(recent?.timer);
    if (recent === undefined && this.#recent.size > maxKinds) {
      this.flush();
      this.#recent.clear();
    }
    this.#recent.set(key, { last: now, held: 0, record });
    this.#write(record(1 + (recent?.held ?? 0)));
  }

  #tell(recent: Recent): void {
    clearTimeout(recent.timer);
    recent.timer = undefined;
    if (recent.held === 0) return;
    const { held } = recent;
    recent.held = 0;
    recent.last = this.#now();
    this.#write(recent.record(held));
  }
}

const offence = (
  operation: string,
  object: string,
  reason: string,
  actor: Actor | undefined,
  count: number,
): NewRecord => ({
  kind: 'admin',
  operation,
  object,
  disposition: 'denied',
  layer: 'daemon',
  reason,
  count,
  ...(actor === undefined
    ? {}
    : { process: { pid: actor.pid }, detail: { actor: actor.name, uid: actor.uid } }),
});
