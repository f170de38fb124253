// A TPM as the daemon holds it: one piece of work at a time, so that few objects are loaded at once and what belongs
// together is not interleaved.
import { flush } from './commands/keys.ts';
import { handlesFrom, startup } from './commands/capability.ts';
import { isFull, isUnstarted, TpmError } from './response-code.ts';
import { childTransport } from './transport/child.ts';
import type { ChildOptions } from './transport/child.ts';
import { isSoftwareName } from './transport/transport.ts';
import type { Transport } from './transport/transport.ts';

export interface Tpm {
  /** TCTI name. */
  readonly name: string;
  /** An emulator by its name; a device may turn out to be one too (`identity`). */
  readonly software: boolean;
  /** Pieces of work wait for each other. Work that found the TPM full or not started is done once more after a remedy. */
  use<T>(work: (transport: Transport) => Promise<T>): Promise<T>;
  /** Pid of the transport's process, if there is one now. */
  readonly pid: number | undefined;
  close(): void;
}

const loadedKinds = [0x80000000, 0x02000000, 0x03000000];

/**
 * Objects and sessions of programs that died. Behind a resource manager one sees none but one's own; without one, as
 * with an emulator, everything goes.
 */
async function flushEverything(transport: Transport): Promise<void> {
  for (const kind of loadedKinds)
    for (const handle of await handlesFrom(transport, kind))
      await flush(transport, handle).catch(() => undefined);
}

async function remedy(transport: Transport, software: boolean, error: unknown): Promise<boolean> {
  if (!(error instanceof TpmError)) return false;
  if (isFull(error.code)) {
    await flushEverything(transport);
    return true;
  }
  if (!software || !isUnstarted(error.code)) return false;
  await startup(transport);
  return true;
}

export function openTpm(options: ChildOptions): Tpm {
  const transport = childTransport(options);
  const software = isSoftwareName(options.name);
  let turn: Promise<unknown> = Promise.resolve();
  const once = async <T>(work: (transport: Transport) => Promise<T>): Promise<T> => {
    try {
      return await work(transport);
    } catch (error) {
      if (!(await remedy(transport, software, error))) throw error;
      return work(transport);
    }
  };
  return {
    name: options.name,
    software,
    use: (work) => {
      const result = turn.then(() => once(work));
      turn = result.catch(() => undefined);
      return result;
    },
    get pid() {
      return transport.pid;
    },
    close: () => transport.close(),
  };
}
