// Platform configuration registers.
import {
  ascending,
  CC,
  concat,
  hashLength,
  put,
  readSelection,
  TpmWireError,
  writeSelection,
} from '../wire/mod.ts';
import type { PcrSelection, PcrValues } from '../wire/mod.ts';
import type { Transport } from '../transport/transport.ts';
import { execute, noPassword } from './command.ts';
import { together } from './together.ts';

/** What a TPM gives at once: a TPML_DIGEST has room for eight. */
const most = 8;

/** Not atomic: compare with what a quote says. */
export async function readPcrs(transport: Transport, { alg, pcrs }: PcrSelection): Promise<PcrValues> {
  const all = ascending(pcrs);
  const parts = Array.from({ length: Math.ceil(all.length / most) }, (_, i) =>
    readSome(transport, alg, all.slice(i * most, (i + 1) * most)),
  );
  const values = await together<(readonly (readonly [number, Buffer])[])[]>(...parts);
  return new Map(values.flat().sort(([a], [b]) => a - b));
}

async function readSome(
  transport: Transport,
  alg: number,
  pcrs: readonly number[],
): Promise<readonly (readonly [number, Buffer])[]> {
  const values = new Map<number, Buffer>();
  let left = pcrs;
  while (left.length > 0) {
    const { reader } = await execute(transport, {
      code: CC.PCR_Read,
      parameters: writeSelection([{ alg, pcrs: left }]),
    });
    reader.u32(); // update counter
    const given = readSelection(reader).find((each) => each.alg === alg)?.pcrs ?? [];
    const count = reader.u32();
    if (count === 0 || count !== given.length)
      throw new TpmWireError(`the TPM has no PCR bank 0x${alg.toString(16)}`);
    // Asked for these alone: with others one would ask for ever.
    if (!given.every((pcr) => left.includes(pcr)))
      throw new TpmWireError('values of PCRs that were not asked for');
    for (const pcr of given) values.set(pcr, reader.sized(hashLength(alg)));
    left = left.filter((pcr) => !values.has(pcr));
  }
  return [...values];
}

export async function extendPcr(
  transport: Transport,
  pcr: number,
  alg: number,
  value: Uint8Array,
): Promise<void> {
  await execute(transport, {
    code: CC.PCR_Extend,
    entities: [{ handle: pcr }],
    authorisations: [noPassword],
    parameters: concat(put.u32(1), put.u16(alg), value),
  });
}

/** Anybody may reset 16 and 23: what they hold proves nothing. */
export async function resetPcr(transport: Transport, pcr: number): Promise<void> {
  await execute(transport, {
    code: CC.PCR_Reset,
    entities: [{ handle: pcr }],
    authorisations: [noPassword],
  });
}
