// The rollback counter: an NV counter that only goes up, and what is written down of it beside the record. An older
// record that is put back knows of an older count.
import { defineCounter, incrementNv, readNv, readNvIndex, TpmError } from '../../native-bindings/tpm/mod.ts';
import type { NvIndex, Transport } from '../../native-bindings/tpm/mod.ts';
import { isCounter, NV } from '../../native-bindings/tpm/wire/mod.ts';
import { CordonError } from '../model/mod.ts';

/** Small facts that survive the daemon: on the disk when `write` returns. */
export interface Store {
  read(name: string): string | undefined;
  write(name: string, value: string): void;
}

/** What is kept beside the record. Numbers: a counter of a TPM does not reach 2^53. */
export interface Tally {
  readonly counter: number;
  /** Steps that this record does not account for. */
  readonly lost: number;
  /** Entries of the record at the last step. */
  readonly size: number;
}

const setting = 'attestation-counter';
const none: Tally = { counter: 0, lost: 0, size: -1 };

export const tallyOf = (store: Store): Tally => {
  const kept = store.read(setting);
  return kept === undefined ? none : { ...none, ...(JSON.parse(kept) as Partial<Tally>) };
};

async function find(transport: Transport, index: number): Promise<NvIndex | undefined> {
  try {
    return await readNvIndex(transport, index);
  } catch (error) {
    if (error instanceof TpmError && error.response === 'HANDLE') return undefined;
    throw error;
  }
}

/** Made and stepped once, so that it can be certified. */
export async function ensureCounter(transport: Transport, index: number): Promise<NvIndex> {
  const found = await find(transport, index);
  if (found !== undefined && !isCounter(found.facts))
    throw new CordonError('unavailable', `NV index 0x${index.toString(16)} is taken by something else`, {
      fix: 'name a free one: attestation: counter in cordond’s settings',
    });
  if (found !== undefined && (found.facts.attributes & NV.written) !== 0) return found;
  if (found === undefined) await defineCounter(transport, index);
  // Its Name is another from the first step on.
  await incrementNv(transport, index);
  return readNvIndex(transport, index);
}

export const readCounter = async (transport: Transport, nv: NvIndex): Promise<number> =>
  Number((await readNv(transport, nv)).readBigUInt64BE());

/**
 * Accounts for where the counter is, and steps it when the record has grown since. Written down before the step: a
 * crash between loses nothing, and only an older record can be behind.
 */
export async function stepCounter(
  transport: Transport,
  nv: NvIndex,
  store: Store,
  size: number,
): Promise<Tally> {
  const kept = tallyOf(store);
  const value = await readCounter(transport, nv);
  const lost = kept.counter === 0 ? kept.lost : kept.lost + Math.max(0, value - kept.counter);
  if (size === kept.size && value === kept.counter) return kept;
  const next = { counter: value + 1, lost, size };
  store.write(setting, JSON.stringify(next));
  await incrementNv(transport, nv.handle);
  return next;
}
