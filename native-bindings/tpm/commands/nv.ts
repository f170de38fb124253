// NV indices: certificates that are there, and a counter of ours.
import { ALG, CC, concat, empty, nameFrom, NV, put, readNvPublic, RH } from '../wire/mod.ts';
import type { NvPublic } from '../wire/mod.ts';
import type { Transport } from '../transport/transport.ts';
import { execute, noPassword } from './command.ts';
import type { Entity } from './command.ts';
import type { Signed } from './keys.ts';

export interface NvIndex extends Entity {
  readonly name: Buffer;
  readonly facts: NvPublic;
}

/** Rejects with a TpmError whose response is HANDLE when there is no such index. */
export async function readNvIndex(transport: Transport, index: number): Promise<NvIndex> {
  const { reader } = await execute(transport, { code: CC.NV_ReadPublic, entities: [{ handle: index }] });
  const area = reader.sized();
  const facts = readNvPublic(area);
  return { handle: index, name: nameFrom(facts.nameAlg, area), facts };
}

const chunk = 512;

export async function readNv(transport: Transport, { handle, name, facts }: NvIndex): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let offset = 0; offset < facts.size; offset += chunk) {
    const { reader } = await execute(transport, {
      code: CC.NV_Read,
      entities: [
        { handle, name },
        { handle, name },
      ],
      authorisations: [noPassword],
      parameters: concat(put.u16(Math.min(chunk, facts.size - offset)), put.u16(offset)),
    });
    parts.push(reader.sized(chunk));
  }
  return concat(...parts);
}

export const counterAttributes =
  NV.ownerWrite | NV.authWrite | NV.ownerRead | NV.authRead | NV.noDA | NV.counter;

export interface NvDefinition {
  readonly index: number;
  readonly attributes: number;
  readonly size: number;
  readonly hierarchy?: number;
}

export async function defineNv(
  transport: Transport,
  { index, attributes, size, hierarchy = RH.OWNER }: NvDefinition,
): Promise<void> {
  const area = concat(
    put.u32(index),
    put.u16(ALG.SHA256),
    put.u32(attributes),
    put.sized(empty),
    put.u16(size),
  );
  await execute(transport, {
    code: CC.NV_DefineSpace,
    entities: [{ handle: hierarchy }],
    authorisations: [noPassword],
    parameters: concat(put.sized(empty), put.sized(area)),
  });
}

/** A counter starts above every counter there ever was in this TPM: it cannot be rolled back by making it anew. */
export const defineCounter = (transport: Transport, index: number): Promise<void> =>
  defineNv(transport, { index, attributes: counterAttributes, size: 8 });

export async function undefineNv(
  transport: Transport,
  index: number,
  hierarchy: number = RH.OWNER,
): Promise<void> {
  await execute(transport, {
    code: CC.NV_UndefineSpace,
    entities: [{ handle: hierarchy }, { handle: index }],
    authorisations: [noPassword],
  });
}

export async function writeNv(
  transport: Transport,
  index: number,
  bytes: Uint8Array,
  authority: number = index,
): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += chunk)
    await execute(transport, {
      code: CC.NV_Write,
      entities: [{ handle: authority }, { handle: index }],
      authorisations: [noPassword],
      parameters: concat(put.sized(bytes.subarray(offset, offset + chunk)), put.u16(offset)),
    });
}

/** Wears the NV: once a checkpoint, never once a record. */
export async function incrementNv(transport: Transport, index: number): Promise<void> {
  await execute(transport, {
    code: CC.NV_Increment,
    entities: [{ handle: index }, { handle: index }],
    authorisations: [noPassword],
  });
}

/** `key` says what the index holds. */
export async function certifyNv(
  transport: Transport,
  key: Entity,
  { handle, name, facts }: NvIndex,
  qualifying: Uint8Array,
): Promise<Signed> {
  const { reader } = await execute(transport, {
    code: CC.NV_Certify,
    entities: [key, { handle, name }, { handle, name }],
    authorisations: [noPassword, noPassword],
    parameters: concat(put.sized(qualifying), put.u16(ALG.NULL), put.u16(facts.size), put.u16(0)),
  });
  return { attest: reader.sized(), signature: reader.rest() };
}
