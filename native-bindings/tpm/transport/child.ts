// The parent's side of the transport's process. Started when there is something to carry, ended when there was nothing
// for a while, killed when it does not answer in time, and started anew after that.
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ANSWER, deframer, frame, maxFrame } from './frames.ts';
import { maxMessage, TpmTransportError } from './transport.ts';
import type { Transport, TransportFailure } from './transport.ts';

export interface ChildOptions {
  /** TCTI name as for tpm2-tools, or `tbs`. */
  readonly name: string;
  /** Milliseconds for one command. A key on a slow TPM takes half a minute. */
  readonly deadline?: number;
  /** Milliseconds without a command after which the process ends. */
  readonly idle?: number;
  /** Script of the process; the one beside this file when not given. */
  readonly entry?: string;
}

export interface ChildTransport extends Transport {
  /** Of the process there is now, if there is one. */
  readonly pid: number | undefined;
  /** Ends the process; a later command starts another. */
  close(): void;
}

const bundled = import.meta.url.endsWith('.js');
const usualEntry = (): string =>
  fileURLToPath(new URL(bundled ? './tpm-transport.js' : './transport-main.ts', import.meta.url));

type Process = ChildProcessByStdio<Writable, Readable, null>;
interface Waiting {
  readonly resolve: (response: Buffer) => void;
  readonly reject: (error: Error) => void;
}

/** Nothing of our environment reaches tpm2-tss: TCTI and TSS2_* would send it elsewhere. */
const environment = { TSS2_LOG: 'all+NONE', LANG: 'C.UTF-8' };

function start(entry: string, name: string): Process {
  const flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];
  return spawn(process.execPath, [...flags, entry, name], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: environment,
    cwd: '/',
  });
}

/** What the process says when it gives up; it may be in no right mind. */
function failureOf(body: Buffer): TpmTransportError {
  const known: readonly string[] = ['not-there', 'hung', 'died', 'refused'];
  try {
    const { why, text } = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
    if (typeof why === 'string' && typeof text === 'string' && known.includes(why))
      return new TpmTransportError(why as TransportFailure, text);
  } catch {
    return new TpmTransportError('died', 'the TPM transport ended without a word');
  }
  return new TpmTransportError('died', 'the TPM transport ended without a reason');
}

/** One process. It carries commands one after the other; those behind the first are already on their way to it. */
class Carrier {
  readonly process: Process;
  /** In the order in which they were sent. */
  readonly #waiting: Waiting[] = [];
  /** Of the first that waits. */
  readonly #late: NodeJS.Timeout;
  #last: TpmTransportError | undefined;
  #gone = false;

  constructor(child: Process, name: string, deadline: number) {
    this.process = child;
    this.#late = setTimeout(() => {
      if (this.busy)
        this.end(new TpmTransportError('hung', `the TPM (${name}) did not answer within ${deadline} ms`));
    }, deadline);
    this.#late.unref();
    const take = deframer(maxFrame);
    child.stdout.on('data', (chunk: Buffer) => {
      try {
        for (const body of take(chunk)) this.#taken(body);
      } catch (error) {
        this.end(new TpmTransportError('died', error instanceof Error ? error.message : String(error)));
      }
    });
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => this.end(new TpmTransportError('not-there', error.message)));
    child.on('close', () => this.end(this.#last ?? new TpmTransportError('died', 'the TPM transport ended')));
  }

  get gone(): boolean {
    return this.#gone;
  }

  get busy(): boolean {
    return this.#waiting.length > 0;
  }

  send(command: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (!this.busy) this.#late.refresh();
      this.#waiting.push({ resolve, reject });
      this.process.stdin.write(frame(command));
    });
  }

  /** SIGKILL: a process that is stuck in a driver knows no other. */
  end(error: TpmTransportError): void {
    this.#gone = true;
    clearTimeout(this.#late);
    this.process.kill('SIGKILL');
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #taken(body: Buffer): void {
    if (body[0] !== ANSWER.response) {
      this.#last = failureOf(body.subarray(1));
      return;
    }
    this.#late.refresh();
    this.#waiting.shift()?.resolve(body.subarray(1));
  }
}

const defaults = { deadline: 90_000, idle: 3_000 };

export function childTransport({ name, ...options }: ChildOptions): ChildTransport {
  if (name === '') throw new TpmTransportError('not-there', 'no TPM is named');
  const { deadline, idle } = { ...defaults, ...options };
  const entry = options.entry ?? usualEntry();
  let carrier: Carrier | undefined;
  let resting: NodeJS.Timeout | undefined;

  const close = (): void => {
    clearTimeout(resting);
    resting = undefined;
    carrier?.end(new TpmTransportError('died', 'the TPM transport was closed'));
    carrier = undefined;
  };
  const rest = (): void => {
    if (carrier?.busy === true) resting?.refresh();
    else close();
  };
  return {
    get pid() {
      return carrier === undefined || carrier.gone ? undefined : carrier.process.pid;
    },
    transceive: (command) => {
      if (command.length > maxMessage)
        return Promise.reject(new TpmTransportError('refused', `a command of ${command.length} bytes`));
      if (carrier === undefined || carrier.gone) carrier = new Carrier(start(entry, name), name, deadline);
      resting = resting?.refresh() ?? setTimeout(rest, idle).unref();
      return carrier.send(command);
    },
    close,
  };
}
