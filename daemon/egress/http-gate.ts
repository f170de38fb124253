// Every request on a plain HTTP connection is judged like the first, and recorded before it goes on. Bodies pass through
// framed strictly, so that the next request begins for us where it begins for the server.
import { BodyReader } from './http-body.ts';
import { parseHead, type RequestHead } from './http-head.ts';
import type { Gate, Gated } from './tunnel.ts';

/** Milliseconds from the first byte of a request head to its last. */
const headDeadline = 10_000;
const maxPieces = 256;

export interface HttpGateParts {
  /** Judges and records one request. `bytes`: its head, as sent. */
  request(head: RequestHead, bytes: Buffer): Promise<Passage>;
  /** The same for bytes that are no request. `pass`: monitor mode; the rest of the connection is not read. */
  malformed(reason: string): Promise<{ readonly refusal: Buffer } | { readonly pass: true }>;
  /** A head that does not come to an end. */
  stalled(refusal: Buffer): void;
}

/** What becomes of a request: refused, or passed, perhaps with another head, perhaps with an eye on its body. */
export type Passage =
  | { readonly refusal: Buffer }
  | { readonly refusal?: undefined; readonly head?: Buffer; readonly body?: BodyCheck };

/** Sees the content of a body. `end` comes before its last bytes go on; the bytes of a refusal keep them back. */
export interface BodyCheck {
  piece(content: Buffer): void;
  end(): Promise<Buffer | undefined>;
}

export class HttpGate implements Gate {
  private held: Buffer = Buffer.alloc(0);
  private body: BodyReader | undefined;
  private check: BodyCheck | undefined;
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
        const eaten = this.body.eat(rest, (piece) => this.check?.piece(piece));
        if ('bad' in eaten) return this.odd(forward, rest, eaten.bad);
        const refusal = eaten.done ? await this.check?.end() : undefined;
        if (refusal !== undefined) return { forward, refusal, abort: true };
        forward.push(rest.subarray(0, eaten.size));
        rest = rest.subarray(eaten.size);
        if (eaten.done) this.body = this.check = undefined;
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
      const bytes = rest.subarray(0, head.size);
      const passage = await this.begin(head, bytes);
      if (passage.refusal !== undefined) return { forward, refusal: passage.refusal };
      forward.push(passage.head ?? bytes);
      rest = rest.subarray(head.size);
      if (head.upgrade !== undefined) this.upgrade = new Upgrade(head.upgrade);
    }
    return { forward };
  }

  private async begin(head: RequestHead, bytes: Buffer): Promise<Passage> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.pieces = 0;
    this.requests += 1;
    if (head.body.kind !== 'none') this.body = new BodyReader(head.body);
    const passage = await this.parts.request(head, bytes);
    if (passage.refusal !== undefined) return passage;
    this.check = passage.body;
    if (this.body !== undefined || passage.body === undefined) return passage;
    this.check = undefined;
    const refusal = await passage.body.end();
    return refusal === undefined ? passage : { refusal };
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
