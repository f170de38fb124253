// Every request on a plain HTTP connection is judged like the first, and recorded before it goes on. Bodies pass through
// framed strictly, so that the next request begins for us where it begins for the server.
import { BodyReader } from './http-body.ts';
import { parseHead, type RequestHead } from './http-head.ts';
import type { Gate, Gated } from './tunnel.ts';

/** Milliseconds from the first byte of a request head to its last. */
const headDeadline = 10_000;
const maxPieces = 256;

export interface HttpGateParts {
  /** Judges and records one request; the bytes of the refusal, or undefined when it may go on. */
  request(head: RequestHead): Promise<Buffer | undefined>;
  /** The same for bytes that are no request. `pass`: monitor mode; the rest of the connection is not read. */
  malformed(reason: string): Promise<{ readonly refusal: Buffer } | { readonly pass: true }>;
  /** A head that does not come to an end. */
  stalled(refusal: Buffer): void;
}

export class HttpGate implements Gate {
  private held: Buffer = Buffer.alloc(0);
  private body: BodyReader | undefined;
  private opaque = false;
  private requests = 0;
  private pieces = 0;
  private timer: NodeJS.Timeout | undefined;
  private upgrade: Upgrade | undefined;
  private readonly parts: HttpGateParts;
  constructor(parts: HttpGateParts) {
    this.parts = parts;
  }

  async accept(chunk: Buffer): Promise<Gated> {
    if (this.opaque) return { forward: [chunk] };
    if (this.upgrade !== undefined) {
      const switched = await this.upgrade.switched;
      const { protocol } = this.upgrade;
      this.upgrade = undefined;
      if (switched && protocol !== 'websocket')
        return this.odd([], chunk, `the protocol ${protocol} after an upgrade`);
      this.opaque = switched;
      if (switched) return { forward: [chunk] };
    }
    return this.frame(chunk);
  }

  saw(chunk: Buffer): void {
    this.upgrade?.saw(chunk);
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private async frame(chunk: Buffer): Promise<Gated> {
    const forward: Buffer[] = [];
    let rest = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    this.held = Buffer.alloc(0);
    while (rest.length > 0) {
      if (this.body !== undefined) {
        const eaten = this.body.eat(rest);
        if ('bad' in eaten) return this.odd(forward, rest, eaten.bad);
        forward.push(rest.subarray(0, eaten.size));
        rest = rest.subarray(eaten.size);
        if (eaten.done) this.body = undefined;
        continue;
      }
      const parsed = parseHead(rest);
      if (parsed.status === 'more') return this.hold(forward, rest);
      if (parsed.status === 'bad') return this.odd(forward, rest, parsed.reason);
      const { head } = parsed;
      if (
        head.upgrade !== undefined &&
        (this.requests > 0 || rest.length > head.size || head.body.kind !== 'none')
      )
        return this.odd(forward, rest, 'an upgrade that is not the only request of its connection');
      const refusal = await this.begin(head);
      if (refusal !== undefined) return { forward, refusal };
      forward.push(rest.subarray(0, head.size));
      rest = rest.subarray(head.size);
      if (head.upgrade !== undefined) this.upgrade = new Upgrade(head.upgrade);
    }
    return { forward };
  }

  private async begin(head: RequestHead): Promise<Buffer | undefined> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.pieces = 0;
    this.requests += 1;
    if (head.body.kind !== 'none') this.body = new BodyReader(head.body);
    return this.parts.request(head);
  }

  private hold(forward: readonly Buffer[], rest: Buffer): Promise<Gated> | Gated {
    this.held = rest;
    this.pieces += 1;
    if (this.pieces > maxPieces) return this.odd(forward, rest, 'a head in too many pieces');
    this.timer ??= setTimeout(() => void this.stall(), headDeadline);
    return { forward };
  }

  private async stall(): Promise<void> {
    const answer = await this.parts
      .malformed('a head that did not come to an end in 10 s')
      .catch(() => undefined);
    this.parts.stalled(answer !== undefined && 'refusal' in answer ? answer.refusal : Buffer.alloc(0));
  }

  private async odd(forward: readonly Buffer[], rest: Buffer, reason: string): Promise<Gated> {
    const answer = await this.parts.malformed(reason);
    if ('refusal' in answer) return { forward, refusal: answer.refusal };
    this.opaque = true;
    return { forward: [...forward, rest] };
  }
}

/** Waits for the status of the first answer: 101 means that what follows is no longer HTTP/1. */
class Upgrade {
  readonly protocol: string;
  readonly switched: Promise<boolean>;
  private readonly resolve: (switched: boolean) => void;
  private text = '';
  constructor(protocol: string) {
    this.protocol = protocol;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.switched = promise;
    this.resolve = resolve;
  }
  saw(chunk: Buffer): void {
    if (this.text.length >= 12) return;
    this.text += chunk.subarray(0, 12).latin1Slice();
    if (this.text.length >= 12) this.resolve(/^HTTP\/1\.[01] 101/.test(this.text));
  }
}
