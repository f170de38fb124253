// Objects put aside. What the TPM gives out of an object that it holds (Part 1, 30) is encrypted and authenticated by a
// secret of its own, and good until it is started anew: to bring the object back takes less than to make it again.
import { CC, put } from '../wire/mod.ts';
import { isFull, isUnstarted, TpmError } from '../response-code.ts';
import type { Transport } from '../transport/transport.ts';
import { execute } from './command.ts';
import { flush } from './keys.ts';
import type { Loaded } from './keys.ts';

/** TPMS_CONTEXT of an object, which stays where it is. */
export async function saveContext(transport: Transport, handle: number): Promise<Buffer> {
  const { reader } = await execute(transport, { code: CC.ContextSave, parameters: put.u32(handle) });
  return reader.rest();
}

/** The object's new handle. */
export async function loadContext(transport: Transport, context: Uint8Array): Promise<number> {
  const { handle } = await execute(transport, {
    code: CC.ContextLoad,
    parameters: Buffer.from(context),
    returnsHandle: true,
  });
  return handle;
}

/** Says nothing of the context: the same is asked for again when there is room. */
const isOfTheMoment = ({ code }: TpmError): boolean => isFull(code) || isUnstarted(code);

/**
 * Makes an object the first time, and brings it back after that; made anew when the TPM does not know it any more. Each
 * call gives an object that the caller flushes: see `held`.
 */
export function recalled(
  make: (transport: Transport) => Promise<Loaded>,
): (transport: Transport) => Promise<Loaded> {
  let kept: { readonly object: Loaded; readonly context: Buffer } | undefined;

  const recall = async (transport: Transport): Promise<Loaded | undefined> => {
    if (kept === undefined) return undefined;
    try {
      return { ...kept.object, handle: await loadContext(transport, kept.context) };
    } catch (error) {
      if (!(error instanceof TpmError) || isOfTheMoment(error)) throw error;
      kept = undefined;
      return undefined;
    }
  };
  const makeAndKeep = async (transport: Transport): Promise<Loaded> => {
    const object = await make(transport);
    try {
      kept = { object, context: await saveContext(transport, object.handle) };
    } catch (error) {
      // A TPM that gives no contexts out is asked again each time.
      if (error instanceof TpmError) return object;
      await flush(transport, object.handle).catch(() => undefined);
      throw error;
    }
    return object;
  };
  return async (transport) => (await recall(transport)) ?? makeAndKeep(transport);
}
