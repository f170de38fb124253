// Records of connections that were closed for what their peer did, and of requests that were refused because of who
// asked: one a second of the same kind, the last of a second with a count of the others, so that a flood of offences is not a flood of records.
import type { NewRecord } from '../model/mod.ts';
import type { CloseReason } from '../wire/mod.ts';
import type { Actor } from './peer.ts';

const interval = 1000;

interface Recent {
  readonly last: number;
  /** The latest of those that are not told yet. */
  held: { readonly record: (count: number) => NewRecord; readonly count: number } | undefined;
}

export class Closures {
  readonly #write: (record: NewRecord) => void;
  readonly #now: () => number;
  readonly #recent = new Map<string, Recent>();
  readonly #after: (act: () => void, milliseconds: number) => void;

  /** `now`: milliseconds of a clock that nobody sets; `after`: by the same clock. */
  constructor(
    write: (record: NewRecord) => void,
    now: () => number = () => performance.now(),
    after: (act: () => void, milliseconds: number) => void = (act, wait) => setTimeout(act, wait).unref(),
  ) {
    this.#write = write;
    this.#now = now;
    this.#after = after;
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

  #once(key: string, record: (count: number) => NewRecord): void {
    const now = this.#now();
    const recent = this.#recent.get(key);
    if (recent !== undefined && now - recent.last < interval) {
      // The last of a second is told when it is over, whether or not another one follows.
      if (recent.held === undefined) this.#after(() => this.#tell(key), interval - (now - recent.last));
      recent.held = { record, count: (recent.held?.count ?? 0) + 1 };
      return;
    }
    const before = recent?.held?.count ?? 0;
    this.#recent.delete(key);
    if (this.#recent.size > 1000) this.tellAll();
    this.#recent.set(key, { last: now, held: undefined });
    this.#write(record(1 + before));
  }

  /** What was held back of this kind, with its count. */
  #tell(key: string): void {
    const recent = this.#recent.get(key);
    if (recent?.held === undefined) return;
    const { record, count } = recent.held;
    this.#recent.set(key, { last: this.#now(), held: undefined });
    this.#write(record(count));
  }

  /** Tells what was held back, and forgets all of it. */
  tellAll(): void {
    for (const key of this.#recent.keys()) this.#tell(key);
    this.#recent.clear();
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
