// What the TPM is, what it holds, and whether it is locked out.
import { CC, concat, put, PT, RH, TpmWireError } from '../wire/mod.ts';
import type { Reader } from '../wire/mod.ts';
import type { Transport } from '../transport/transport.ts';
import { execute, noPassword } from './command.ts';
import type { Authorisation } from './command.ts';

const CAP = { handles: 0x1, properties: 0x6 } as const;
const most = 64;

async function capability(transport: Transport, kind: number, first: number, count: number): Promise<Reader> {
  const { reader } = await execute(transport, {
    code: CC.GetCapability,
    parameters: concat(put.u32(kind), put.u32(first), put.u32(count)),
  });
  reader.u8(); // more
  if (reader.u32() !== kind) throw new TpmWireError('another capability than asked for');
  return reader;
}

const listed = (reader: Reader): number => {
  const count = reader.u32();
  if (count > 1024) throw new TpmWireError(`a list of ${count}`);
  return count;
};

/**
 * Handles of the kind whose first is `first`: 0x80000000 transient, 0x81000000 persistent, 0x01000000 NV, 0x02000000
 * loaded sessions (which have handles of 0x03000000 too), 0x03000000 saved ones.
 */
export async function handlesFrom(transport: Transport, first: number): Promise<number[]> {
  const reader = await capability(transport, CAP.handles, first, most);
  return Array.from({ length: listed(reader) }, () => reader.u32());
}

export async function properties(
  transport: Transport,
  first: number,
  count = most,
): Promise<Map<number, number>> {
  const reader = await capability(transport, CAP.properties, first, count);
  return new Map(
    Array.from({ length: listed(reader) }, (): [number, number] => [reader.u32(), reader.u32()]),
  );
}

export interface TpmIdentity {
  /** `IFX`, `INTC`, `AMD`, `IBM`… */
  readonly manufacturer: string;
  readonly vendor: string;
  /** 64 bits, as hexadecimal. */
  readonly firmware: string;
}

const text = (value: number): string =>
  put
    .u32(value)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '')
    .trimEnd();
const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');

export async function identity(transport: Transport): Promise<TpmIdentity> {
  const found = await properties(transport, PT.manufacturer, 16);
  const of = (property: number): number => found.get(property) ?? 0;
  const vendor = [0, 1, 2, 3].map((i) => put.u32(of(PT.vendorString1 + i)).toString('latin1')).join('');
  return {
    manufacturer: text(of(PT.manufacturer)),
    vendor: vendor.replace(/[^\x20-\x7e]/g, '').trim(),
    firmware: `${hex(of(PT.firmwareVersion1))}${hex(of(PT.firmwareVersion1 + 1))}`,
  };
}

export interface Lockout {
  /** Wrong authorisations that still count. */
  readonly failures: number;
  /** From how many on the TPM refuses. */
  readonly limit: number;
  /** Seconds after which one failure is forgotten. */
  readonly interval: number;
  readonly locked: boolean;
}

/** State of the protection against dictionary attacks (Part 1, 19.8). */
export async function lockout(transport: Transport): Promise<Lockout> {
  const found = await properties(transport, PT.lockoutCounter, 4);
  const [failures, limit, interval] = [PT.lockoutCounter, PT.maxAuthFail, PT.lockoutInterval].map(
    (property) => found.get(property) ?? 0,
  );
  return {
    failures: failures ?? 0,
    limit: limit ?? 0,
    interval: interval ?? 0,
    locked: (failures ?? 0) >= (limit ?? 0) && (limit ?? 0) > 0,
  };
}

/** Needs the authorisation of the lockout hierarchy. */
export async function resetLockout(
  transport: Transport,
  authorisation: Authorisation = noPassword,
): Promise<void> {
  await execute(transport, {
    code: CC.DictionaryAttackLockReset,
    entities: [{ handle: RH.LOCKOUT }],
    authorisations: [authorisation],
  });
}

/** TPM2_Startup(CLEAR): what firmware does on a machine, and nobody for an emulator. */
export async function startup(transport: Transport): Promise<void> {
  await execute(transport, { code: CC.Startup, parameters: put.u16(0) });
}
