// Plays the supervisor and the sandbox round a real egress process. Everything stays in a network namespace of this test's
// own, in which public addresses are put on the loopback interface: nothing leaves the machine.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as dns from 'dns-packet';
import { libc } from '../../native-bindings/linux/libc.ts';
import { landlock, sockets } from '../../native-bindings/linux/mod.ts';
import type {
  CapabilitySet,
  Effect,
  Mode,
  NewRecord,
  TokenDemand,
  Upstream,
} from '../../daemon/model/mod.ts';

export const alpha = '93.184.216.34';
export const beta = '93.184.216.35';
export const alpha6 = '2606:2800:220:1::34';
const CLONE_NEWNET = 0x40000000;

/** Why these tests cannot run here, or false. */
export function unavailable(): string | false {
  if (process.getuid?.() !== 0) return 'needs root to make a network namespace';
  if (landlock.abi() === 0) return 'the kernel has no Landlock';
  return false;
}

/** Moves this process into a network namespace with public addresses on `lo`. */
export function enterNamespace(): void {
  if (libc.unshare(CLONE_NEWNET) < 0) throw new Error('unshare(CLONE_NEWNET) failed');
  sockets.loopbackUp();
  for (const address of [`${alpha}/32`, `${beta}/32`, '169.254.169.254/32', '10.1.2.3/32'])
    execFileSync('ip', ['addr', 'add', address, 'dev', 'lo']);
  execFileSync('ip', ['-6', 'addr', 'add', `${alpha6}/128`, 'dev', 'lo', 'nodad']);
}

export interface Grant {
  readonly effect?: Effect;
  readonly host: string;
  readonly port: number;
  readonly token?: TokenDemand;
  readonly upstream?: Upstream;
}

export function capabilities(
  grants: readonly Grant[],
  generation = 1,
  mode: Mode = 'enforce',
): CapabilitySet {
  const source = (line: number) => ({ file: 'profiles/test.yaml', line, key: `network[${line}]` });
  return {
    generation,
    mode,
    policyDigest: 'test',
    profile: { name: 'test', version: 1 },
    rules: [
      { id: 'builtin/default-deny', source: { file: 'builtin', line: 0, key: 'default-deny' }, never: false },
      ...grants.map((_, i) => ({ id: `test/network[${i}]`, source: source(i + 1), never: false })),
    ],
    files: [],
    exec: [],
    network: grants.map(({ effect, host, port, token, upstream }, i) => ({
      rule: i + 1,
      effect: effect ?? 'allow',
      host,
      port,
      ...(token === undefined ? {} : { token }),
      ...(upstream === undefined ? {} : { upstream }),
    })),
    sockets: [],
  };
}

export interface SessionOptions {
  readonly set: CapabilitySet;
  readonly upstream?: readonly string[];
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
  /** PEM by file; `''`: the machine's. */
  readonly authorities?: Readonly<Record<string, string>>;
  /** Another entry than the source, such as the bundle. */
  readonly entry?: string;
  readonly own?: readonly string[];
  readonly pins?: readonly {
    readonly host: string;
    readonly addrs: readonly string[];
    readonly ttl: number;
  }[];
  /** The start line is not sent until `begin`. */
  readonly hold?: boolean;
  /** False: the journal refuses every record. */
  readonly journal?: boolean;
  /** What the daemon says to a wish for a token. Rejections become refusals. */
  readonly tokens?: TokenAnswer;
}

export type TokenAnswer = (
  what: 'attach' | 'use',
  body: Readonly<Record<string, string | number>>,
) => Promise<object>;

const entry = fileURLToPath(new URL('../../daemon/session/egress-main.ts', import.meta.url));

export class Session {
  readonly records: NewRecord[] = [];
  readonly pins: { readonly host: string; readonly addrs: readonly string[]; readonly ttl: number }[] = [];
  readonly child: ChildProcess;
  readonly ports: {
    readonly tcp4: number;
    readonly tcp6: number;
    readonly udp: number;
    readonly dnsTcp: number;
  };
  stderr = '';
  journal: boolean;
  /** Sends the start line. */
  readonly begin: () => void;
  private readonly flows: Socket;
  private readonly control: Socket;
  private readonly watchers = new Set<() => void>();
  private readonly answers: { t: string; generation?: number }[] = [];
  private nextId = 1;
  private readonly tokens: TokenAnswer | undefined;

  constructor(options: SessionOptions) {
    this.journal = options.journal ?? true;
    this.tokens = options.tokens;
    const fds = [tcpListener(4), tcpListener(6), udpSocket(), tcpListener(4)] as const;
    this.ports = {
      tcp4: sockets.localPort(fds[0]),
      tcp6: sockets.localPort(fds[1]),
      udp: sockets.localPort(fds[2]),
      dnsTcp: sockets.localPort(fds[3]),
    };
    // `env -i` keeps out what the test runner puts into the environment of every Node that it starts.
    this.child = spawn('env', ['-i', process.execPath, options.entry ?? entry], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe', ...fds],
      uid: 65534,
      gid: 65534,
    });
    for (const fd of fds) libc.close(fd);
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.flows = this.child.stdio[3] as Socket;
    this.control = this.child.stdio[4] as unknown as Socket;
    for (const link of [this.flows, this.control]) link.on('error', () => undefined);
    createInterface({ input: this.flows }).on('line', (line) => {
      this.pins.push(JSON.parse(line));
      this.changed();
    });
    createInterface({ input: this.control }).on('line', (line) => this.said(JSON.parse(line)));
    const { set, upstream = [], hosts = {}, pins = [], authorities = {}, own = [] } = options;
    const facts = { authorities, upstream, hosts, pins, own, session: 'test' };
    this.begin = () => this.tell({ t: 'start', capabilitySet: set, ...facts });
    if (options.hold !== true) this.begin();
  }

  static async start(options: SessionOptions): Promise<Session> {
    const session = new Session(options);
    await session.until(() => session.answers.some(({ t }) => t === 'ready'));
    return session;
  }

  tell(message: unknown): void {
    this.control.write(`${JSON.stringify(message)}\n`);
  }
  tellRaw(link: 'flows' | 'control', bytes: string | Buffer): void {
    this[link].write(bytes);
  }
  announce(flow: {
    readonly v?: number;
    readonly port: number;
    readonly addr: string;
    readonly dport: number;
  }): void {
    this.flows.write(
      `${JSON.stringify({ t: 'flow', v: 4, pid: 42, exe: '/usr/bin/agent', id: `test-${this.nextId++}`, ...flow })}\n`,
    );
  }

  /** The agent's connect to `addr`:`dport`, after the supervisor let it. */
  async connect(addr: string, dport: number): Promise<Socket> {
    const v = addr.includes(':') && !addr.startsWith('::ffff:') ? 6 : 4;
    const socket = connect({
      host: v === 6 ? '::1' : '127.0.0.1',
      port: v === 6 ? this.ports.tcp6 : this.ports.tcp4,
      allowHalfOpen: true,
    });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    this.announce({ v, port: socket.localPort!, addr, dport });
    return socket;
  }

  /** A connection to the listener of which the supervisor said nothing. */
  async connectUnjudged(): Promise<Socket> {
    const socket = connect(this.ports.tcp4, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  async policy(set: CapabilitySet, authorities: Readonly<Record<string, string>> = {}): Promise<void> {
    this.tell({ t: 'policy', capabilitySet: set, authorities });
    await this.until(() => this.answers.some((a) => a.t === 'policy-ack' && a.generation === set.generation));
  }

  /** Resolves once `condition` holds; it is looked at whenever the egress process says something. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => finish(new Error(`nothing more came; ${JSON.stringify(this.records)} ${this.stderr}`)),
        20_000,
      );
      const finish = (error?: Error): void => {
        clearTimeout(timer);
        this.watchers.delete(look);
        if (error) reject(error);
        else resolve();
      };
      const look = (): void => {
        if (condition()) finish();
      };
      this.watchers.add(look);
    });
  }

  /** The first record that matches, once there is one. */
  async record(match: Partial<NewRecord>): Promise<NewRecord> {
    const fits = (record: NewRecord): boolean =>
      Object.entries(match).every(([key, value]) => record[key as keyof NewRecord] === value);
    await this.until(() => this.records.some(fits));
    return this.records.find(fits)!;
  }

  async lookup(name: string, type: dns.RecordType = 'A'): Promise<dns.DecodedPacket> {
    return dns.decode(
      await this.datagram(dns.encode({ type: 'query', id: 7, flags: 0x100, questions: [{ type, name }] })),
    );
  }

  /** Asks again every second, as resolvers do: datagrams get lost. */
  async datagram(bytes: Buffer): Promise<Buffer> {
    const socket = createSocket('udp4');
    const ask = (): void => socket.send(bytes, this.ports.udp, '127.0.0.1');
    const again = setInterval(ask, 1000);
    ask();
    const [answer] = (await once(socket, 'message')) as [Buffer];
    clearInterval(again);
    socket.close();
    return answer;
  }

  /** Garbage and denied names, as fast as they go. */
  async flood(count: number): Promise<void> {
    const socket = createSocket('udp4');
    const query = dns.encode({ type: 'query', id: 1, questions: [{ type: 'A', name: 'flood.test' }] });
    for (let i = 0; i < count; i++)
      socket.send(i % 2 === 0 ? query : query.subarray(0, i % 40), this.ports.udp, '127.0.0.1');
    await new Promise((resolve) => socket.send(query, this.ports.udp, '127.0.0.1', resolve));
    socket.close();
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.control.destroy();
    this.flows.destroy();
    await exit;
  }

  private said(message: {
    t: string;
    n?: number;
    record?: NewRecord;
    generation?: number;
    what?: 'attach' | 'use';
    body?: Readonly<Record<string, string | number>>;
  }): void {
    if (message.t === 'token') {
      const { n } = message;
      void this.tokens?.(message.what!, message.body!).then(
        (answer) => this.tell({ t: 'token', n, ...answer }),
        (error: unknown) => this.tell({ t: 'token', n, refused: (error as Error).message }),
      );
      return;
    }
    if (message.t === 'record') {
      this.records.push(message.record!);
      const answer = this.journal ? { t: 'ack', id: `test-${message.n}` } : { t: 'nack' };
      this.tell({ n: message.n, ...answer });
    } else this.answers.push(message);
    this.changed();
  }

  private changed(): void {
    for (const watcher of [...this.watchers]) watcher();
  }
}

function tcpListener(family: 4 | 6): number {
  const fd = sockets.socket(
    family === 4 ? sockets.AF.INET : sockets.AF.INET6,
    sockets.SOCK.STREAM | sockets.SOCK.CLOEXEC,
  );
  bind(fd, family);
  sockets.listen(fd, 512);
  return fd;
}

function udpSocket(): number {
  const fd = sockets.socket(sockets.AF.INET, sockets.SOCK.DGRAM | sockets.SOCK.CLOEXEC);
  bind(fd, 4);
  return fd;
}

function bind(fd: number, family: 4 | 6): void {
  const address = family === 4 ? sockets.inet4([127, 0, 0, 1], 0) : sockets.inet6Loopback(0);
  const result = sockets.bindTo(fd, address);
  if (result < 0) throw new Error(`bind: errno ${-result}`);
}

/** A resolver of the host, as the test wants it: remembers every question it was asked. */
export class Resolver {
  readonly asked: string[] = [];
  readonly endpoint: string;
  /** Answers say that they were truncated. */
  truncate = false;
  /** Forged answers that come before the true one. */
  before: (query: dns.DecodedPacket) => readonly Buffer[] = () => [];
  private readonly socket;
  constructor(
    socket: ReturnType<typeof createSocket>,
    answer: (name: string, type: string) => readonly dns.Answer[],
  ) {
    this.socket = socket;
    this.endpoint = `127.0.0.1:${socket.address().port}`;
    socket.on('message', (bytes, from) => {
      const query = dns.decode(bytes);
      const question = query.questions![0]!;
      this.asked.push(`${question.type} ${question.name}`);
      for (const forged of this.before(query)) socket.send(forged, from.port, from.address);
      const reply = dns.encode({
        type: 'response',
        ...(query.id === undefined ? {} : { id: query.id }),
        flags: this.truncate ? 0x380 : 0x180,
        questions: [question],
        answers: [...answer(question.name, question.type)],
      });
      socket.send(reply, from.port, from.address);
    });
  }
  static async start(answer: (name: string, type: string) => readonly dns.Answer[]): Promise<Resolver> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new Resolver(socket, answer);
  }
  stop(): void {
    this.socket.close();
  }
}

export const a = (name: string, data: string, ttl = 30): dns.Answer => ({ type: 'A', name, data, ttl });

/** Everything until the other side ends or the connection breaks. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await Promise.race([
    once(socket, 'end').catch(() => undefined),
    once(socket, 'close').catch(() => undefined),
  ]);
  return Buffer.concat(chunks);
}

/** Resolves when something was received. */
export async function readSome(socket: Socket): Promise<Buffer> {
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk;
}
