// TPMS_NV_PUBLIC (Part 2, 13.5): what an NV index is. Its Name covers the attributes, so a pinned Name pins them.
import { concat, put, Reader } from './bytes.ts';
import { NV } from './constants.ts';
import { nameFrom } from './public.ts';

export interface NvPublic {
  readonly index: number;
  readonly nameAlg: number;
  /** TPMA_NV. */
  readonly attributes: number;
  readonly policy: Buffer;
  readonly size: number;
}

export function readNvPublic(bytes: Uint8Array): NvPublic {
  const reader = new Reader(bytes);
  const result = {
    index: reader.u32(),
    nameAlg: reader.u16(),
    attributes: reader.u32(),
    policy: reader.sized(64),
    size: reader.u16(),
  };
  reader.end();
  return result;
}

export const writeNvPublic = ({ index, nameAlg, attributes, policy, size }: NvPublic): Buffer =>
  concat(put.u32(index), put.u16(nameAlg), put.u32(attributes), put.sized(policy), put.u16(size));

export const nvNameOf = (index: NvPublic): Buffer => nameFrom(index.nameAlg, writeNvPublic(index));

export const isCounter = ({ attributes, size }: NvPublic): boolean =>
  (attributes & NV.typeMask) === NV.counter && size === 8;

/** Name of the index once it has been written: what is certified from then on. */
export const counterNameOf = (index: NvPublic): Buffer =>
  nvNameOf({ ...index, attributes: (index.attributes | NV.written) >>> 0 });
