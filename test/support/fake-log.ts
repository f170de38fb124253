// A log in memory that stands in for the spool: the same hashes, the same questions. For tests of shipping alone.
import { createHash } from 'node:crypto';
import type { EntryLog, LogEntry } from '../../daemon/uploader/mod.ts';

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export interface Cosignatures {
  readonly size: number;
  readonly lines: string;
}

export interface FakeLog extends EntryLog {
  readonly all: readonly LogEntry[];
  readonly acknowledged: {
    readonly sink: string;
    readonly next: number;
    readonly cosignatures?: Cosignatures;
  }[];
  add(count: number, more?: { readonly padding?: number; readonly recordClass?: string }): void;
  /** Moves the checkpoint to the end of the log. */
  sign(): void;
}

export const origin = 'test.example/log';

export function fakeLog(sessions = ['aaaa', 'bbbb']): FakeLog {
  const all: LogEntry[] = [];
  const cursors = new Map<string, number>();
  const acknowledged: FakeLog['acknowledged'][number][] = [];
  let chain: Buffer = Buffer.alloc(32);
  let checkpoint: { size: number; note: string; end: number } | undefined;
  return {
    origin,
    all,
    acknowledged,
    size: () => all.length,
    entries: (from, limit) => {
      const entries = all.slice(from, from + limit);
      return { entries, through: from + entries.length };
    },
    checkpoint: () => checkpoint,
    consistency: (from, to) => [sha256(Buffer.from(`${from}-${to}`))],
    cursor: (sink) => cursors.get(sink) ?? 0,
    acknowledge: (sink, next, cosignatures) => {
      cursors.set(sink, next);
      acknowledged.push({ sink, next, ...(cosignatures === undefined ? {} : { cosignatures }) });
    },
    add: (count, { padding = 0, recordClass } = {}) => {
      for (let i = 0; i < count; i++) {
        const position = all.length;
        const session = sessions[position % sessions.length]!;
        const uid = `${session}-${position + 1}`;
        const denied = position % 3 === 0;
        const text = Buffer.from(eventText(uid, position, denied, padding));
        const leaf = sha256(Buffer.of(0), text);
        chain = sha256(chain, leaf);
        all.push({
          position,
          uid,
          session,
          recordClass: recordClass ?? (denied ? 'denial' : 'read'),
          disposition: denied ? 'denied' : 'allowed',
          time: 1_700_000_000_000 + position,
          text,
          leaf,
          chain,
        });
      }
    },
    sign: () => {
      const size = all.length;
      checkpoint = {
        size,
        end: size,
        note: `${origin}\n${size}\n${chain.toString('base64')}\n\n— ${origin} AAAA\n`,
      };
    },
  };
}

/** Keys in the order of RFC 8785. */
const eventText = (uid: string, position: number, denied: boolean, padding: number): string =>
  JSON.stringify({
    activity_id: 1,
    class_name: 'File System Activity',
    class_uid: 1001,
    device: { hostname: 'endpoint', uid: 'host-1' },
    file: { path: `/tmp/ä-${position}${'x'.repeat(padding)}`, size: 1.5 },
    metadata: { uid },
    observables: [null, true, { big: 2 ** 53 }, -7],
    severity: denied ? 'Medium' : 'Informational',
    severity_id: denied ? 3 : 1,
    time: 1_700_000_000_000 + position,
    type_uid: 100101,
  });
