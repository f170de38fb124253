// TPM Base Services of Windows: the same seam over tbs.dll. It virtualises handles as a resource manager does.
// https://learn.microsoft.com/windows/win32/tbs (Tbsi_Context_Create, Tbsip_Submit_Command)
import koffi from 'koffi';
import { maxMessage, TpmTransportError } from './transport.ts';
import type { BlockingTransport } from './transport.ts';

const LOCALITY_ZERO = 0;
const PRIORITY_NORMAL = 200;
const CONTEXT_VERSION_TWO = 2;
/** TBS_CONTEXT_PARAMS2: version, then a bit field whose bit 2 is includeTpm20. */
const parameters = Buffer.from(Uint32Array.of(CONTEXT_VERSION_TWO, 1 << 2).buffer);

const failed = (call: string, code: number): TpmTransportError =>
  new TpmTransportError('not-there', `${call} failed (TBS 0x${(code >>> 0).toString(16)})`);

export function openTbs(): BlockingTransport {
  const tbs = koffi.load('tbs.dll');
  const create = tbs.func('uint32_t Tbsi_Context_Create(const uint8_t *parameters, _Out_ void **context)');
  const submit = tbs.func(
    'uint32_t Tbsip_Submit_Command(void *context, uint32_t locality, uint32_t priority, const uint8_t *command, uint32_t size, _Out_ uint8_t *result, _Inout_ uint32_t *resultSize)',
  );
  const close = tbs.func('uint32_t Tbsip_Context_Close(void *context)');
  const out: (bigint | null)[] = [null];
  const code = create(parameters, out) as number;
  const [context] = out;
  if (code !== 0 || context === null || context === undefined) throw failed('Tbsi_Context_Create', code);
  return {
    transceive: (command) => {
      const result = Buffer.alloc(maxMessage);
      const size = [maxMessage];
      const status = submit(
        context,
        LOCALITY_ZERO,
        PRIORITY_NORMAL,
        command,
        command.length,
        result,
        size,
      ) as number;
      if (status !== 0) throw failed('Tbsip_Submit_Command', status);
      return result.subarray(0, Math.min(size[0] ?? 0, maxMessage));
    },
    close: () => void close(context),
  };
}
