// The attach socket of a session: the CLI that started it connects here. With a terminal, bytes are relayed in frames;
// without, the supervisor takes over the client's own descriptors 0, 1 and 2, and no byte passes through us.
import { chownSync, closeSync, fstatSync, readFileSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { ReadStream } from 'node:tty';
import { isPathOnly, processes, sockets } from '../../native-bindings/linux/mod.ts';
import { resizeTerminal } from '../launcher/mod.ts';
import { CordonError } from '../model/mod.ts';
import { Connection, type Incoming } from '../wire/mod.ts';
import type { Bodies } from '../wire/mod.ts';
import { TerminalInput } from './terminal-input.ts';

export interface AttachOptions {
  readonly path: string;
  /** Who may attach besides root. */
  readonly uid: number;
  /** There is a session to attach to. */
  readonly isOpen: () => boolean;
  readonly onAttach: (client: Client) => void;
  /** The client's descriptors could not be taken over: there is nothing to start. */
  readonly onRefused: (reason: string) => void;
  readonly onSignal: (signal: NodeJS.Signals) => void;
}

/** The attached client, kept until the session ends. */
export interface Client {
  readonly connection: Connection;
  readonly attach: Bodies['attach'];
  /** Duplicates of the client's descriptors 0, 1, 2; only without a terminal. Ours to close. */
  readonly stdio: readonly [number, number, number] | undefined;
}

/** Several times what a client of ours sends unacknowledged (see `cordon run`). */
const MAX_UNTAKEN = 1024 * 1024;
/** Milliseconds. */
const SILENCE_MS = 500;
const MAX_DRAIN_MS = 30_000;
/** Of SO_PEERPIDFD before Linux 6.5: only then is a process opened by its number, which a later one may have. */
const ENOPROTOOPT = 92;
/** For a client to read how its session ended, and to go. One that stands still reads it when it goes on. */
const LEAVE_MS = 2000;

const signals = new Set<string>([
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGTSTP',
  'SIGCONT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
]);

export class AttachSocket {
  private readonly server: Server;
  private readonly options: AttachOptions;
  private client: Client | undefined;
  private master: ReadStream | undefined;
  private masterFd = -1;
  private typed: TerminalInput | undefined;
  /** Bytes of input that the terminal has not taken yet. */
  private untaken = 0;

  constructor(options: AttachOptions) {
    this.options = options;
    this.server = createServer((socket) => this.accept(socket));
    this.server.on('error', (error) => {
      throw error;
    });
  }
  listen(): Promise<void> {
    return new Promise((resolve) =>
      this.server.listen({ path: this.options.path }, () => {
        chownSync(this.options.path, this.options.uid, -1);
        resolve();
      }),
    );
  }
  private accept(socket: Socket): void {
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    const peer = processes.peerCredentials(fd);
    if (!this.options.isOpen() || (peer.uid !== 0 && peer.uid !== this.options.uid)) {
      socket.destroy();
      return;
    }
    const pidfd = processes.peerPidfd(fd);
    const connection = new Connection(socket, {
      onMessage: (incoming) => this.receive(connection, pidfd, peer, incoming),
    });
    void connection.closed.then(() => {
      if (pidfd >= 0) processes.close(pidfd);
      if (this.client?.connection === connection) this.options.onSignal('SIGHUP');
    });
  }

  private receive(connection: Connection, pidfd: number, peer: processes.Peer, incoming: Incoming): void {
    const { message } = incoming;
    switch (message.kind) {
      case 'attach':
        this.attach(connection, pidfd, peer, message.body);
        return;
      case 'terminalInput':
        if (this.client?.connection === connection) this.input(connection, incoming, message.body.data);
        return;
      case 'terminalResize':
        if (this.client?.connection === connection && this.masterFd >= 0)
          resizeTerminal(this.masterFd, message.body.columns, message.body.rows);
        return;
      case 'forwardSignal':
        if (this.client?.connection === connection && signals.has(message.body.signal))
          this.options.onSignal(message.body.signal as NodeJS.Signals);
        return;
      default:
        connection.close({ why: 'protocol', detail: `${message.kind} is not for an attach socket` });
    }
  }

  /**
   * Acknowledged once the terminal has taken it: the client sends no more than its window before that. Reading goes on
   * meanwhile, so that signals, window sizes and a client that leaves are seen while the program reads nothing.
   */
  private input(connection: Connection, incoming: Incoming, data: Uint8Array): void {
    this.untaken += data.length;
    if (this.untaken > MAX_UNTAKEN) {
      connection.close({ why: 'protocol', detail: 'more terminal input than may wait to be taken' });
      return;
    }
    const taken = (): void => {
      this.untaken -= data.length;
      if (incoming.request !== 0) connection.answer(incoming, 'ack');
    };
    if (this.typed === undefined) taken();
    else this.typed.write(data, taken);
  }

  private attach(
    connection: Connection,
    pidfd: number,
    peer: processes.Peer,
    attach: Bodies['attach'],
  ): void {
    if (this.client !== undefined) {
      connection.close({ why: 'protocol', detail: 'the session is attached already' });
      return;
    }
    try {
      const stdio = attach.tty ? undefined : takeStdio(pidfd, peer);
      this.client = { connection, attach, stdio };
    } catch (error) {
      this.client = { connection, attach, stdio: undefined };
      this.options.onRefused(error instanceof Error ? error.message : String(error));
      return;
    }
    this.options.onAttach(this.client);
  }

  /** Relays between the terminal's master side and the client, with back-pressure both ways. */
  relay(master: number): void {
    this.masterFd = master;
    const stream = new ReadStream(master);
    this.master = stream;
    this.typed = new TerminalInput(stream, master);
    stream.on('data', (data: Buffer) => {
      const connection = this.client?.connection;
      if (connection === undefined) return;
      if (!connection.notify('terminalOutput', { data })) {
        stream.pause();
        void connection.drained().then(() => stream.resume());
      }
    });
    stream.on('error', () => undefined); // EIO: the last process closed the terminal
  }

  /**
   * What is still in the terminal goes to the client before the exit does. False: the client did not go, and is not waited
   * for any longer.
   */
  async exit(exit: Bodies['sessionExit']): Promise<boolean> {
    const connection = this.client?.connection;
    this.typed?.close();
    if (this.master !== undefined) await drained(this.master);
    let left = true;
    if (connection !== undefined) {
      this.client = undefined;
      connection.notify('sessionExit', exit);
      connection.end();
      left = await leaves(connection);
    }
    this.close();
    return left;
  }

  close(): void {
    this.server.close();
    try {
      unlinkSync(this.options.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

/** False: it has not gone in time. What was written stays in the socket for it; only we go. */
function leaves(connection: Connection): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(false);
      connection.close();
    }, LEAVE_MS);
    void connection.closed.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

/**
 * Resolves at the stream's end or error, or when it has been silent although the client takes what comes. A client that
 * takes nothing any more is waited for, but not for ever.
 */
function drained(stream: ReadStream): Promise<void> {
  if (stream.destroyed || stream.readableEnded) return Promise.resolve();
  return new Promise((resolve) => {
    let [silent, waited] = [true, 0];
    const done = (): void => {
      clearInterval(timer);
      resolve();
    };
    const timer = setInterval(() => {
      waited += SILENCE_MS;
      if ((silent && !stream.isPaused()) || waited >= MAX_DRAIN_MS) done();
      silent = true;
    }, SILENCE_MS);
    stream.on('data', () => (silent = false));
    stream.once('end', done).once('error', done).once('close', done);
  });
}

/**
 * A directory, or a descriptor without access (O_PATH), would be a way into the host's tree past the sandbox's mounts; an
 * internet socket would be one into the host's network.
 */
export function mustBeStream(fd: number): void {
  const stat = fstatSync(fd);
  const internet = stat.isSocket() && sockets.socketDomain(fd) !== sockets.AF.UNIX;
  if (!stat.isDirectory() && !stat.isBlockDevice() && !internet && !isPathOnly(fd)) return;
  throw new CordonError(
    'not-permitted',
    'standard input, output or error is a directory, a disk or a network connection, which an agent cannot be given: use a file, a pipe or a terminal',
  );
}

/**
 * Descriptors 0, 1, 2 of the peer, by pidfd_getfd(2). The peer must still be the process that connected, with all its
 * user ids those of the connection: a set-user-ID program in its place keeps its descriptors.
 */
function takeStdio(pidfd: number, peer: processes.Peer): readonly [number, number, number] {
  const owned = pidfd === -ENOPROTOOPT ? processes.pidfdOpen(peer.pid) : pidfd;
  if (owned < 0) throw new Error('the client is gone');
  try {
    const taken = [0, 1, 2].map((fd) => processes.pidfdGetfd(owned, fd));
    const status = readFileSync(`/proc/${peer.pid}/status`, 'latin1');
    const uids = /^Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$/m.exec(status)?.slice(1).map(Number) ?? [];
    const whole = taken.every((fd) => fd >= 0) && uids.length === 4 && uids.every((uid) => uid === peer.uid);
    return checked(taken, whole);
  } finally {
    if (pidfd < 0) processes.close(owned);
  }
}

/** Closes what was taken when it is not to be used. */
function checked(taken: readonly number[], whole: boolean): readonly [number, number, number] {
  try {
    const [a, b, c] = taken;
    if (!whole || a === undefined || b === undefined || c === undefined)
      throw new Error('the descriptors of the client could not be taken over');
    for (const fd of taken) mustBeStream(fd);
    return [a, b, c];
  } catch (error) {
    for (const fd of taken) if (fd >= 0) closeSync(fd);
    throw error;
  }
}
