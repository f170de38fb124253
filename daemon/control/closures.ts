// Records of connections that were closed for what their peer did: one a second of the same kind, with a count of the
// others, so that a flood of offences is not a flood of records.
import type { NewRecord } from '../model/mod.ts';
import type { CloseReason } from '../wire/mod.ts';
import type { Actor } from './peer.ts';

const interval = 1000;

export class Closures {
  readonly #write: (record: NewRecord) => void;
  readonly #now: () => number;
  readonly #recent = new Map<string, { last: number; held: number }>();

  constructor(write: (record: NewRecord) => void, now: () => number) {
    this.#write = write;
    this.#now = now;
  }

  report(door: string, actor: Actor | undefined, reason: CloseReason): void {
    const key = `${door} ${actor?.uid ?? '?'} ${reason.why}`;
    const now = this.#now();
    const recent = this.#recent.get(key);
    if (recent !== undefined && now - recent.last < interval) {
      recent.held += 1;
      return;
    }
    if (this.#recent.size > 1000) this.#recent.clear();
    this.#recent.set(key, { last: now, held: 0 });
    this.#write(closureRecord(door, actor, reason, 1 + (recent?.held ?? 0)));
  }
}

const closureRecord = (
  door: string,
  actor: Actor | undefined,
  { why, detail }: CloseReason,
  count: number,
): NewRecord => ({
  kind: 'admin',
  operation: 'connection-closed',
  object: `${door}.sock`,
  disposition: 'denied',
  layer: 'daemon',
  reason: `${why}: ${detail}`,
  count,
  ...(actor === undefined ? {} : { process: { pid: actor.pid }, detail: { uid: actor.uid } }),
});
