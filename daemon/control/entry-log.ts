// The spool as what is shipped from it: positions here are those behind the last entry, so that 0 is the beginning.
import type { Audit, LogEntry as Kept } from '../audit/mod.ts';
import type { EntryLog, LogEntry } from '../uploader/mod.ts';

const bytes = (base64: string): Uint8Array => Buffer.from(base64, 'base64');

const entryOf = ({ subject, class: recordClass, text = '', leaf, chain, ...rest }: Kept): LogEntry => ({
  ...rest,
  session: subject,
  recordClass,
  text: Buffer.from(text),
  leaf: bytes(leaf),
  chain: bytes(chain),
});

export function entryLogOf(audit: Audit): EntryLog {
  const size = (): number => {
    const { base, size: own } = audit.head();
    return base + own;
  };
  return {
    origin: audit.head().origin,
    size,
    entries: (from, limit) => {
      const kept = audit.entries({ after: from - 1, limit });
      const through = kept.length < limit ? size() : (kept.at(-1)?.position ?? from - 1) + 1;
      return { entries: kept.filter(({ text }) => text !== undefined).map(entryOf), through };
    },
    checkpoint: () => {
      const latest = audit.latestCheckpoint;
      if (latest === undefined) return undefined;
      return { size: latest.size, note: latest.note, end: audit.head().base + latest.size };
    },
    consistency: (from, to) => audit.consistency(from, to).map(bytes),
    cursor: (sink) => audit.sinks.position(sink) + 1,
    acknowledge: (sink, next, cosignatures) => audit.acknowledge(sink, next - 1, cosignatures),
  };
}
