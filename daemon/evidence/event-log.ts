// The firmware's measured-boot log (TCG PC Client Platform Firmware Profile 1.05, section 10), and its replay into PCR
// values. A replay proves the digests and their order, and not what the events say of themselves.
import { digest, hashLength, isHash } from '../../native-bindings/tpm/wire/mod.ts';
import { CordonError } from '../model/mod.ts';

export interface LogEvent {
  readonly pcr: number;
  readonly type: number;
  /** By hash algorithm. */
  readonly digests: ReadonlyMap<number, Buffer>;
  readonly content: Buffer;
}

/** Bytes of a log. Firmware gives 64 KiB as a rule. */
export const maxEventLog = 256 * 1024;
const maxEvents = 4096;
const EV_NO_ACTION = 3;
const sha1 = 4;

const broken = (what: string): CordonError => new CordonError('protocol', `event log: ${what}`);

/** Little-endian, unlike all else of a TPM. */
class LogReader {
  readonly #bytes: Buffer;
  #at = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }
  bytes(count: number): Buffer {
    if (count > this.left) throw broken(`${count} bytes wanted, ${this.left} left`);
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
  u8(): number {
    return this.bytes(1).readUInt8();
  }
  u16(): number {
    return this.bytes(2).readUInt16LE();
  }
  u32(): number {
    return this.bytes(4).readUInt32LE();
  }
}

function pcrOf(reader: LogReader): number {
  const pcr = reader.u32();
  // 0xffffffff marks events that belong to no PCR.
  if (pcr > 23 && pcr !== 0xffff_ffff) throw broken(`no PCR ${pcr}`);
  return pcr;
}

/** TCG_PCClientPCREvent: the first entry, or every entry of an old log. */
function readOldEvent(reader: LogReader): LogEvent {
  const pcr = pcrOf(reader);
  const type = reader.u32();
  const digests = new Map([[sha1, Buffer.from(reader.bytes(20))]]);
  return { pcr, type, digests, content: Buffer.from(reader.bytes(reader.u32())) };
}

function readEvent(reader: LogReader, sizes: ReadonlyMap<number, number>): LogEvent {
  const pcr = pcrOf(reader);
  const type = reader.u32();
  const count = reader.u32();
  if (count !== sizes.size) throw broken(`${count} digests where the log announced ${sizes.size}`);
  const digests = new Map<number, Buffer>();
  for (let i = 0; i < count; i++) {
    const alg = reader.u16();
    const size = sizes.get(alg);
    if (size === undefined || digests.has(alg)) throw broken(`a digest of 0x${alg.toString(16)}`);
    digests.set(alg, Buffer.from(reader.bytes(size)));
  }
  return { pcr, type, digests, content: Buffer.from(reader.bytes(reader.u32())) };
}

const signature = Buffer.from('Spec ID Event03\0');

/** TCG_EfiSpecIDEvent: which digests each later entry carries. Undefined: an old log. */
function announced(first: LogEvent): Map<number, number> | undefined {
  if (first.type !== EV_NO_ACTION || !first.content.subarray(0, 16).equals(signature)) return undefined;
  const reader = new LogReader(first.content.subarray(16));
  reader.bytes(8); // platform class, version, errata, size of a pointer
  const count = reader.u32();
  if (count === 0 || count > 8) throw broken(`${count} algorithms`);
  const sizes = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const alg = reader.u16();
    const size = reader.u16();
    if (size === 0 || size > 64 || (isHash(alg) && size !== hashLength(alg)))
      throw broken(`digests of ${size} bytes for 0x${alg.toString(16)}`);
    sizes.set(alg, size);
  }
  reader.bytes(reader.u8());
  return sizes;
}

/** All entries. Throws CordonError when there is a byte that belongs to none. */
export function readEventLog(bytes: Uint8Array): LogEvent[] {
  if (bytes.length > maxEventLog) throw broken(`over ${maxEventLog} bytes`);
  const reader = new LogReader(bytes);
  if (reader.left === 0) return [];
  const first = readOldEvent(reader);
  const sizes = announced(first);
  const events = [first];
  while (reader.left > 0) {
    if (events.length >= maxEvents) throw broken(`more than ${maxEvents} entries`);
    events.push(sizes === undefined ? readOldEvent(reader) : readEvent(reader, sizes));
  }
  return events;
}

const startup = Buffer.from('StartupLocality\0');

/** PCR 0 begins with the locality that started the TPM. */
function beginningOf(pcr: number, events: readonly LogEvent[], size: number): Buffer {
  const value = Buffer.alloc(size);
  const found = events.find(
    ({ pcr: of, type, content }) =>
      of === 0 && type === EV_NO_ACTION && content.length === 17 && content.subarray(0, 16).equals(startup),
  );
  if (pcr === 0 && found !== undefined) value.writeUInt8(found.content.readUInt8(16), size - 1);
  return value;
}

/**
 * Values that the log leads to, of each PCR it mentions, in the bank `alg`. Every type but EV_NO_ACTION, which is never
 * extended, counts: an unknown one too. Throws when an entry lacks that bank's digest.
 */
export function replay(events: readonly LogEvent[], alg: number): Map<number, Buffer> {
  const values = new Map<number, Buffer>();
  const measured = events.filter(({ type, pcr }) => type !== EV_NO_ACTION && pcr <= 23);
  for (const { pcr, digests } of measured) {
    const value = digests.get(alg);
    if (value === undefined) throw broken(`an entry without a digest of 0x${alg.toString(16)}`);
    const before = values.get(pcr) ?? beginningOf(pcr, events, hashLength(alg));
    values.set(pcr, digest(alg, before, value));
  }
  return values;
}
