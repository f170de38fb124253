// Two sockets joined: backpressure, half-close, byte counts. A gate may hold what the client says until it is judged.
import type { Socket } from 'node:net';
import type { Dialing } from './dial.ts';
import { discarded } from './garbage.ts';

export interface Gated {
  readonly forward: readonly Buffer[];
  /** Nothing more of the client is forwarded: these bytes are its last answer, after the server's. */
  readonly refusal?: Buffer;
  /** With a refusal: the server is to take what it has for broken off, and its answer to that is nobody's. */
  readonly abort?: true;
}

export interface Gate {
  accept(chunk: Buffer): Promise<Gated>;
  /** Sees what the server says, before the client does. */
  saw?(chunk: Buffer): void;
  /** The tunnel is over. */
  stop?(): void;
}

export interface TunnelEnd {
  readonly up: number;
  readonly down: number;
  /** Errno name or what ended it; undefined after an orderly end. */
  readonly outcome: string | undefined;
}

/** Milliseconds for the server to finish earlier answers before a refusal is said. */
const farewellDeadline = 5000;
const lingering = 2000;

export class Tunnel {
  up = 0;
  down = 0;
  private outcome: string | undefined;
  private farewell: Buffer | undefined;
  private readonly client: Socket;
  private readonly server: Socket;
  private readonly gate: Gate | undefined;
  private readonly dialing: Dialing;
  constructor(client: Socket, dialing: Dialing, gate: Gate | undefined) {
    this.client = client;
    this.server = dialing.server;
    this.dialing = dialing;
    this.gate = gate;
  }

  /** Joins them. `first`: what was read of the client already. Resolves when both are closed. */
  async run(first: Buffer): Promise<TunnelEnd> {
    const { client, server } = this;
    const closed = Promise.all([
      this.closes(client, () => this.dialing.reset()),
      this.closes(server, () => void client.resetAndDestroy()),
    ]);
    this.dialing.reading.take = (chunk) => this.carryDown(chunk);
    server.on('end', () => (this.farewell === undefined ? client.end() : this.sayFarewell(this.farewell)));
    client.on('end', () => void server.end());
    if (this.gate === undefined) this.pumpUp(first);
    else await this.pumpGated(this.gate, first);
    server.resume();
    await closed;
    this.gate?.stop?.();
    return { up: this.up, down: this.down, outcome: this.outcome };
  }

  /** Ends both at once. A reset: what the kernel still holds of either is not delivered. */
  close(why: string): void {
    this.outcome ??= why;
    this.client.resetAndDestroy();
    this.dialing.reset();
  }

  /** Forwards nothing more of the client; says `bytes` after what the server still answers. */
  refuse(bytes: Buffer, abort = false): void {
    if (this.farewell !== undefined) return;
    this.farewell = bytes;
    this.outcome ??= 'refused';
    this.client.pause();
    if (abort) this.dialing.reset();
    else this.server.end();
    if (this.server.readableEnded || this.server.destroyed) this.sayFarewell(bytes);
    else setTimeout(() => this.close('refused'), farewellDeadline).unref();
  }

  /** The chunk is the server's one read buffer: nothing more is read until the kernel has all of it. */
  private carryDown(chunk: Buffer): boolean {
    const { client, server } = this;
    this.down += chunk.length;
    this.gate?.saw?.(chunk);
    if (client.destroyed || client.writableEnded) return true;
    let waiting = false;
    client.write(chunk, () => {
      if (waiting) server.resume();
    });
    waiting = client.writableLength > 0;
    return !waiting;
  }

  private sayFarewell(bytes: Buffer): void {
    this.client.end(bytes);
    this.client.resume();
    setTimeout(() => this.client.destroy(), lingering).unref();
  }

  private pumpUp(first: Buffer): void {
    const { client, server } = this;
    if (first.length > 0) this.send(first);
    client.on('data', (chunk: Buffer) => {
      if (this.farewell === undefined && !this.send(chunk)) waitForDrain(client, server);
    });
    client.resume();
  }

  /** One chunk at a time: the client is paused while its words are judged. */
  private async pumpGated(gate: Gate, first: Buffer): Promise<void> {
    const { client } = this;
    client.on('data', (chunk: Buffer) => {
      if (this.farewell !== undefined) return;
      client.pause();
      void this.judged(gate, chunk).then(() => {
        if (this.farewell === undefined) client.resume();
      });
    });
    if (first.length > 0) await this.judged(gate, first);
    if (this.farewell === undefined) client.resume();
  }

  private async judged(gate: Gate, chunk: Buffer): Promise<void> {
    try {
      const { forward, refusal, abort } = await gate.accept(chunk);
      let flowing = true;
      for (const bytes of forward) flowing = this.send(bytes);
      if (refusal !== undefined) this.refuse(refusal, abort);
      else if (!flowing && !this.server.destroyed) await drained(this.server);
    } catch {
      // The record could not be made: nothing may go on.
      this.close('record');
    }
  }

  private send(bytes: Buffer): boolean {
    if (this.server.destroyed || this.server.writableEnded) return true;
    this.up += bytes.length;
    discarded(bytes.length);
    return this.server.write(bytes);
  }

  private closes(one: Socket, resetOther: () => void): Promise<void> {
    return new Promise((resolve) => {
      one.on('error', (error: NodeJS.ErrnoException) => {
        this.outcome ??= error.code ?? error.message;
      });
      const done = (): void => {
        if (!one.readableEnded && this.farewell === undefined) resetOther();
        resolve();
      };
      if (one.destroyed) done();
      else one.once('close', done);
    });
  }
}

function waitForDrain(from: Socket, to: Socket): void {
  from.pause();
  to.once('drain', () => from.resume());
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('drain', resolve);
    socket.once('close', () => resolve());
  });
}
