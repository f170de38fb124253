// For protocols in which the server speaks first. Until it does, the client's words are held and judged as if the client
// had not waited: silence is no way round the check of the name.
import { classify, type Peek } from './peek.ts';
import type { Gate, Gated } from './tunnel.ts';

/** Bytes and milliseconds in which a client that speaks first must have said what it wants. */
const maxHeld = 32 * 1024;
const wordsDeadline = 10_000;

export type Opening = { readonly refusal: Buffer } | { readonly gate: Gate | undefined };

export interface OpeningParts {
  /** Has the server said anything? */
  serverSpoke(): boolean;
  judge(peek: Peek): Promise<Opening>;
  stalled(): void;
}

export class OpeningGate implements Gate {
  private held: Buffer = Buffer.alloc(0);
  private settled = false;
  private next: Gate | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly parts: OpeningParts;
  constructor(parts: OpeningParts) {
    this.parts = parts;
  }

  async accept(chunk: Buffer): Promise<Gated> {
    if (this.settled) return this.next === undefined ? { forward: [chunk] } : this.next.accept(chunk);
    const words = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    this.held = words;
    if (this.parts.serverSpoke()) return this.settle(undefined, words);
    this.timer ??= setTimeout(() => this.parts.stalled(), wordsDeadline);
    const peek =
      words.length > maxHeld ? ({ kind: 'silent', empty: false, ended: false } as const) : classify(words);
    if (peek === undefined) return { forward: [] };
    const opening = await this.parts.judge(peek);
    if ('refusal' in opening) return { forward: [], refusal: opening.refusal };
    return this.settle(opening.gate, words);
  }

  saw(chunk: Buffer): void {
    this.next?.saw?.(chunk);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.next?.stop?.();
  }

  private settle(next: Gate | undefined, words: Buffer): Promise<Gated> | Gated {
    clearTimeout(this.timer);
    this.settled = true;
    this.next = next;
    this.held = Buffer.alloc(0);
    return next === undefined ? { forward: [words] } : next.accept(words);
  }
}
