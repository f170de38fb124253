// Tokens for requests, asked of the daemon over the control link. Nothing is kept here: every request asks anew, so that what
// was revoked a moment ago is not used. No answer means no request.
import type { Socket } from 'node:net';
import { newProofKey } from '../wire/dpop.ts';
import type { ProofKey } from '../wire/dpop.ts';
import { writeLine } from './lines.ts';
import type { TokenAnswer } from './messages.ts';

/** Milliseconds. */
const deadline = 5000;
const maxPending = 1024;

/** One request, as it is named in a token. */
export interface TokenRequest {
  readonly audience: string;
  readonly method: string;
  readonly host: string;
  readonly port: number;
  /** Without query. */
  readonly path: string;
}

export type TokenOutcome = { readonly refused: string } | ({ readonly refused: undefined } & TokenAnswer);

export interface Tokens {
  /** Of this process; tokens of type dpop are bound to it. Made when first needed. */
  readonly key: ProofKey;
  attach(request: TokenRequest, jkt: string): Promise<TokenOutcome>;
  /** The agent shows an upload token; its one use is taken. */
  use(request: TokenRequest, token: string, proof: string): Promise<TokenOutcome>;
}

const unavailable = (why: string): TokenOutcome => ({ refused: `${why}: no token, no request` });

export class LinkTokens implements Tokens {
  private readonly link: Socket;
  private readonly waiting = new Map<number, (outcome: TokenOutcome) => void>();
  private next = 1;
  private own: ProofKey | undefined;
  constructor(link: Socket) {
    this.link = link;
  }

  get key(): ProofKey {
    return (this.own ??= newProofKey());
  }

  attach(request: TokenRequest, jkt: string): Promise<TokenOutcome> {
    return this.ask('attach', { ...request, jkt });
  }

  use(request: TokenRequest, token: string, proof: string): Promise<TokenOutcome> {
    return this.ask('use', { ...request, token, proof });
  }

  answered(answer: TokenAnswer): void {
    this.settle(
      answer.n,
      answer.refused === undefined ? { ...answer, refused: undefined } : { refused: answer.refused },
    );
  }

  private ask(what: 'attach' | 'use', body: object): Promise<TokenOutcome> {
    if (this.waiting.size >= maxPending)
      return Promise.resolve(unavailable('too many requests wait for tokens'));
    const n = this.next++;
    const { promise, resolve } = Promise.withResolvers<TokenOutcome>();
    const timer = setTimeout(() => this.settle(n, unavailable('the daemon did not answer in 5 s')), deadline);
    this.waiting.set(n, (outcome) => {
      clearTimeout(timer);
      resolve(outcome);
    });
    writeLine(this.link, { t: 'token', n, what, body }).catch(() =>
      this.settle(n, unavailable('the link has ended')),
    );
    return promise;
  }

  private settle(n: number, outcome: TokenOutcome): void {
    const waiting = this.waiting.get(n);
    this.waiting.delete(n);
    waiting?.(outcome);
  }
}
