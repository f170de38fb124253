// tpm2-tss, used for transport alone: its TCTI loader gives a context whose transmit and receive carry bytes. Blocking:
// this runs in the transport's own process. TSS 2.0 TCTI specification, 3.2.
import koffi from 'koffi';
import { maxMessage, TpmTransportError } from './transport.ts';
import type { BlockingTransport } from './transport.ts';

const TRY_AGAIN = 0xa0009;
const FOREVER = -1;

/** TSS2_TCTI_CONTEXT_COMMON_V1 on LP64: magic@0, version@8, transmit@16, receive@24. */
const offsets = { transmit: 16, receive: 24 };

const transmitType = koffi.proto('uint32_t TctiTransmit(void *context, size_t size, const uint8_t *command)');
const receiveType = koffi.proto(
  'uint32_t TctiReceive(void *context, _Inout_ size_t *size, _Out_ uint8_t *response, int32_t timeout)',
);

type Transmit = (context: bigint, size: number, command: Uint8Array) => number;
type Receive = (context: bigint, size: (number | bigint)[], response: Uint8Array, timeout: number) => number;

function library(name: string): ReturnType<typeof koffi.load> {
  try {
    return koffi.load(name);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new TpmTransportError('not-there', `${name} cannot be loaded (Debian: libtss2-tctildr0): ${text}`);
  }
}

/** `name` as for tpm2-tools: `device:/dev/tpmrm0`, `swtpm:path=…`. Never empty: the loader would go and look for one. */
export function openTcti(name: string): BlockingTransport {
  if (name === '') throw new TpmTransportError('not-there', 'no TPM is named');
  const loader = library('libtss2-tctildr.so.0');
  const initialize = loader.func('uint32_t Tss2_TctiLdr_Initialize(const char *name, _Out_ void **context)');
  const finalize = loader.func('void Tss2_TctiLdr_Finalize(_Inout_ void **context)');
  const out: (bigint | null)[] = [null];
  const code = initialize(name, out) as number;
  const [context] = out;
  if (code !== 0 || context === null || context === undefined)
    throw new TpmTransportError('not-there', `${name} cannot be opened (tpm2-tss 0x${code.toString(16)})`);
  const at = (offset: number): bigint => koffi.decode(context, offset, 'void *') as bigint;
  const transmit = koffi.decode(at(offsets.transmit), transmitType) as Transmit;
  const receive = koffi.decode(at(offsets.receive), receiveType) as Receive;
  const response = Buffer.alloc(maxMessage);
  return {
    transceive: (command) => exchange(context, transmit, receive, command, response),
    close: () => void finalize([context]),
  };
}

function exchange(
  context: bigint,
  transmit: Transmit,
  receive: Receive,
  command: Uint8Array,
  response: Buffer,
): Buffer {
  const sent = transmit(context, command.length, command);
  if (sent !== 0) throw new TpmTransportError('died', `sending failed (tpm2-tss 0x${sent.toString(16)})`);
  const size: (number | bigint)[] = [maxMessage];
  let code = receive(context, size, response, FOREVER);
  while (code === TRY_AGAIN) {
    size[0] = maxMessage;
    code = receive(context, size, response, FOREVER);
  }
  if (code !== 0) throw new TpmTransportError('died', `no answer (tpm2-tss 0x${code.toString(16)})`);
  return response.subarray(0, Math.min(Number(size[0]), maxMessage));
}
