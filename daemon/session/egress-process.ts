// Starts a session's egress process and speaks its control link: records come in and are acknowledged once journalled.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { StringDecoder } from 'node:string_decoder';
import { fileURLToPath } from 'node:url';
import { sockets } from '../../native-bindings/linux/mod.ts';
import type { CapabilitySet, Journal, Layer } from '../model/mod.ts';
import { authoritiesOf } from './authorities.ts';
import { EgressPins } from './egress-pins.ts';
import { egressRecord } from './egress-record.ts';
import type { Prepared } from './messages.ts';

/** What the session is, once it is known. */
export interface EgressSession {
  readonly session: string;
  readonly capabilitySet: CapabilitySet;
  readonly mayLack: readonly Layer[];
  readonly upstream: readonly string[];
  readonly hosts: Readonly<Record<string, readonly string[]>>;
  readonly journal: Journal;
  /** Asks the daemon: for a token to attach, or about one that the agent shows. */
  readonly tokens: TokenAsk;
}

/** Rejects with the reason when there is no token. */
export type TokenAsk = (what: 'attach' | 'use', body: Readonly<Record<string, unknown>>) => Promise<object>;

export interface EgressOptions {
  readonly listeners: Prepared['listeners'];
  readonly uid: number;
  readonly log: number;
}

/** Of the machine's interfaces, now. */
const ownAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap(
    (each) => each?.map(({ address }) => address.replace(/%.*/, '')) ?? [],
  );

const MAX_LINE = 64 * 1024;
const RESTART_MS = 200;
const POLICY_MS = 5000;

export class EgressProcess {
  /** The supervisor's end of the flow link: the notify thread's. It outlives restarts of the process. */
  readonly flows: number;
  private readonly flowsRemote: number;
  private readonly options: EgressOptions;
  private child: ChildProcess | undefined;
  private control: Socket | undefined;
  private session: EgressSession | undefined;
  private stopped = false;
  private partial = '';
  private decoder = new StringDecoder('utf8');
  private readonly pins = new EgressPins();
  private acknowledged: ((generation: number) => void) | undefined;

  constructor(options: EgressOptions) {
    this.options = options;
    [this.flows, this.flowsRemote] = sockets.socketPair(
      sockets.SOCK.STREAM | sockets.SOCK.CLOEXEC | sockets.SOCK.NONBLOCK,
    );
    this.start();
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  private start(): void {
    const [ours, theirs] = sockets.socketPair(sockets.SOCK.STREAM | sockets.SOCK.CLOEXEC);
    const { listeners: l, log, uid } = this.options;
    const file = fileURLToPath(new URL('./egress.js', import.meta.url));
    // One that was started before the session was known, and lacks a layer, has ended: this one may know better.
    const lacks = `--may-lack=${(this.session?.mayLack ?? []).join(',')}`;
    this.child = spawn(process.execPath, ['--max-semi-space-size=1', '--single-threaded-gc', file, lacks], {
      stdio: ['ignore', log, log, this.flowsRemote, theirs, l.tcp4, l.tcp6, l.udp53, l.tcp53],
      env: { MALLOC_ARENA_MAX: '1' },
      cwd: '/',
      uid,
      gid: uid,
    });
    closeSync(theirs);
    this.child.on('error', () => this.restart());
    this.child.on('exit', () => this.restart());
    this.control = new Socket({ fd: ours });
    this.control.on('error', () => undefined); // its exit is what counts
    this.control.on('data', (chunk: Buffer) => this.read(chunk));
    this.partial = '';
    this.decoder = new StringDecoder('utf8');
    this.sayStart();
  }

  /** The process waits without a policy, and answers nothing, until it is told what the session is. */
  begin(session: EgressSession): void {
    this.session = session;
    this.sayStart();
  }

  private sayStart(): void {
    if (this.session === undefined) return;
    const { session, capabilitySet, upstream, hosts } = this.session;
    const authorities = authoritiesOf(capabilitySet);
    const pins = this.pins.left();
    this.send({
      t: 'start',
      capabilitySet,
      authorities,
      upstream,
      hosts,
      session,
      pins,
      own: ownAddresses(),
    });
  }

  /** Its connections ended with it; the sandbox's listeners are ours and wait. */
  private restart(): void {
    this.control?.destroy();
    this.control = undefined;
    if (!this.stopped) setTimeout(() => this.stopped || this.start(), RESTART_MS).unref();
  }

  private send(line: object): void {
    this.control?.write(`${JSON.stringify(line)}\n`);
  }

  private read(chunk: Buffer): void {
    this.partial += this.decoder.write(chunk);
    const lines = this.partial.split('\n');
    this.partial = lines.pop() ?? '';
    if (this.partial.length > MAX_LINE) this.child?.kill('SIGKILL');
    for (const line of lines) this.line(line);
  }

  private line(line: string): void {
    const message = parseLine(line);
    const record = message?.t === 'record' ? egressRecord(message.record) : undefined;
    if (record !== undefined && typeof message?.n === 'number') {
      const written = this.session?.journal.append(record);
      this.send(
        written === undefined ? { t: 'nack', n: message.n } : { t: 'ack', n: message.n, id: written.id },
      );
    } else if (message?.t === 'token' && typeof message.n === 'number' && isTokenAsk(message)) {
      void this.askToken(message.n, message);
    } else if (message?.t === 'policy-ack' && typeof message.generation === 'number')
      this.acknowledged?.(message.generation);
    else if (message?.t === 'pin') this.pins.keep(line);
    else if (message?.t !== 'ready') this.child?.kill('SIGKILL'); // not our protocol: it is not what we started
  }

  private async askToken(n: number, { what, body }: TokenLine): Promise<void> {
    try {
      const answer = await this.session?.tokens(what, body);
      this.send({ t: 'token', n, ...(answer ?? { refused: 'there is no session' }) });
    } catch (error) {
      const refused = error instanceof Error ? error.message : String(error);
      this.send({ t: 'token', n, refused: refused.slice(0, 1024) });
    }
  }

  /** Resolves once tunnels that are no longer granted are closed; a process that does not answer is killed, which closes all. */
  replacePolicy(capabilitySet: CapabilitySet): Promise<void> {
    if (this.session !== undefined) this.session = { ...this.session, capabilitySet };
    if (this.control === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.child?.kill('SIGKILL');
        resolve();
      }, POLICY_MS);
      this.acknowledged = (generation) => {
        if (generation < capabilitySet.generation) return;
        clearTimeout(timer);
        resolve();
      };
      this.send({ t: 'policy', capabilitySet, authorities: authoritiesOf(capabilitySet) });
    });
  }

  stop(): void {
    this.stopped = true;
    this.child?.kill('SIGKILL');
    this.control?.destroy();
  }
}

interface Line {
  readonly t?: unknown;
  readonly n?: unknown;
  readonly record?: unknown;
  readonly generation?: unknown;
  readonly what?: unknown;
  readonly body?: unknown;
}

interface TokenLine {
  readonly what: 'attach' | 'use';
  readonly body: Readonly<Record<string, unknown>>;
}

const isTokenAsk = (line: Line): line is Line & TokenLine =>
  (line.what === 'attach' || line.what === 'use') && typeof line.body === 'object' && line.body !== null;

function parseLine(line: string): Line | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
