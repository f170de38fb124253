// Journal files: frames of u32 LE payload length, u32 LE CRC-32 of the payload, payload (one SessionRecord as JSON).
// The writer appends a frame with one write(2). The reader may look while the writer writes, or after either was
// killed: a torn last frame is normal; damage is reported with its place and skipped.
import { crc32 } from 'node:zlib';

const headerSize = 8;
/** Bytes of one record's JSON. */
export const maxJournalPayload = 1024 * 1024;
const braceOpen = 0x7b;
const braceClose = 0x7d;

export function encodeJournalFrame(json: string): Buffer {
  const length = Buffer.byteLength(json);
  const out = Buffer.allocUnsafe(headerSize + length);
  out.write(json, headerSize);
  out.writeUInt32LE(length, 0);
  out.writeUInt32LE(crc32(out.subarray(headerSize)), 4);
  return out;
}

export interface JournalDamage {
  /** From the start of the decoded bytes. */
  readonly offset: number;
  readonly length: number;
  readonly reason: string;
}

export interface JournalChunk {
  readonly records: readonly string[];
  /** Bytes taken; the next read starts here. Anything after it is the beginning of a frame not yet complete. */
  readonly consumed: number;
  readonly damage: readonly JournalDamage[];
  /** True when bytes after `consumed` are waiting for the rest of their frame. */
  readonly torn: boolean;
}

export interface JournalLimits {
  /** The writer is gone: what is incomplete now stays so, and is looked through for whole frames behind it. */
  readonly final?: boolean;
  /** Records to take at most. */
  readonly maxRecords?: number;
}

type Look =
  | { readonly at: 'frame'; readonly end: number }
  | { readonly at: 'torn' }
  | { readonly at: 'bad'; readonly reason: string };

function lookAt(bytes: Buffer, offset: number): Look {
  if (bytes.length - offset < headerSize) return { at: 'torn' };
  const length = bytes.readUInt32LE(offset);
  if (length < 2 || length > maxJournalPayload) return { at: 'bad', reason: `a frame length of ${length}` };
  const start = offset + headerSize;
  const end = start + length;
  if (bytes.length > start && bytes[start] !== braceOpen)
    return { at: 'bad', reason: 'the payload is not a record' };
  if (end > bytes.length) return { at: 'torn' };
  const sound =
    bytes[end - 1] === braceClose && crc32(bytes.subarray(start, end)) === bytes.readUInt32LE(offset + 4);
  return sound ? { at: 'frame', end } : { at: 'bad', reason: 'the checksum does not match' };
}

/** The first offset after `from` where a whole, sound frame begins; undefined when there is none. */
function resync(bytes: Buffer, from: number): number | undefined {
  for (
    let at = bytes.indexOf(braceOpen, from + headerSize + 1);
    at !== -1;
    at = bytes.indexOf(braceOpen, at + 1)
  )
    if (lookAt(bytes, at - headerSize).at === 'frame') return at - headerSize;
  return undefined;
}

/** Decodes what is whole in `bytes`, which begin at a frame's start. Never throws. */
export function decodeJournal(bytes: Buffer, limits: JournalLimits = {}): JournalChunk {
  const { final = false, maxRecords = Infinity } = limits;
  const records: string[] = [];
  const damage: JournalDamage[] = [];
  let offset = 0;
  while (offset < bytes.length && records.length < maxRecords) {
    const look = lookAt(bytes, offset);
    if (look.at === 'frame') {
      records.push(bytes.toString('utf8', offset + headerSize, look.end));
      offset = look.end;
      continue;
    }
    const next = look.at === 'torn' && !final ? undefined : resync(bytes, offset);
    if (next === undefined && !final) return { records, consumed: offset, damage, torn: true };
    const end = next ?? bytes.length;
    const reason = look.at === 'bad' ? look.reason : 'the frame is incomplete';
    damage.push({ offset, length: end - offset, reason });
    offset = end;
  }
  return { records, consumed: offset, damage, torn: false };
}
