// The seam between commands and whatever carries them: tpm2-tss on Linux, TBS on Windows, a fake in a test.

export interface Transport {
  /**
   * One command, one response. Several may be under way: the TPM has them one after the other, in the order of the calls.
   * Rejects with TpmTransportError, and so do those behind a command that could not be carried.
   */
  transceive(command: Uint8Array): Promise<Buffer>;
}

/** The same, blocking: lives in a process that has nothing else to do. Throws TpmTransportError. */
export interface BlockingTransport {
  /** The response is good until the next call. */
  transceive(command: Uint8Array): Buffer;
  close(): void;
}

export type TransportFailure = 'not-there' | 'hung' | 'died' | 'refused';

/** The TPM could not be reached, or did not answer. Nothing is known of what the command did. */
export class TpmTransportError extends Error {
  readonly why: TransportFailure;
  constructor(why: TransportFailure, message: string) {
    super(message);
    this.name = 'TpmTransportError';
    this.why = why;
  }
}

/** Bytes of the largest command or response of any TPM. */
export const maxMessage = 4096;

/** Whatever is not a device of the machine is software, whoever says otherwise. */
export const isSoftwareName = (name: string): boolean => !/^(device:.*|device|tabrmd|tbs)$/.test(name);
