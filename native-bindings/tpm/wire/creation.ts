// TPMS_CREATION_DATA (Part 2, 15.1): in what state of the machine an object was created, below which parent, and what its
// creator said of it.
import { Reader } from './bytes.ts';
import { readSelection } from './pcr.ts';
import type { PcrSelection } from './pcr.ts';

export interface CreationData {
  readonly selection: readonly PcrSelection[];
  /** Over the selected PCRs, by the object's name algorithm. */
  readonly pcrDigest: Buffer;
  readonly locality: number;
  readonly parentName: Buffer;
  /** Whatever the creator gave: fixed from then on. */
  readonly outsideInfo: Buffer;
}

/** All of `bytes` and nothing else. Throws TpmWireError. */
export function readCreationData(bytes: Uint8Array): CreationData {
  const reader = new Reader(bytes);
  const selection = readSelection(reader);
  const pcrDigest = reader.sized(64);
  const locality = reader.u8();
  reader.u16(); // name algorithm of the parent, which its Name repeats
  const parentName = reader.sized(66);
  reader.sized(66); // the parent's qualified Name
  const outsideInfo = reader.sized(66);
  reader.end();
  return { selection, pcrDigest, locality, parentName, outsideInfo };
}
