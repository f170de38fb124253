// The requests of one HTTP connection: each is judged, gets its token, is recorded, and goes on the connection's own way or
// not at all.
import type { ConnectionRecords } from './connection-records.ts';
import { judgeRequest } from './first-words.ts';
import { withFields } from './http-fields.ts';
import type { Passage } from './http-gate.ts';
import type { RequestHead } from './http-head.ts';
import { protocolRule, tokenRule, upstreamRule } from './judge.ts';
import type { Judge, Judgement } from './judge.ts';
import type { Pins } from './pins.ts';
import { bodyCheck, carryToken, type Carried } from './token-gate.ts';
import type { Tokens } from './tokens.ts';
import { astray, authorityAt, inClear, targetOf, type Way } from './way.ts';

/** How often a decision is made again because the policy changed under it. */
const maxRounds = 3;

export interface RequestsParts {
  readonly judge: () => Judge;
  readonly pins: Pins;
  readonly tokens: Tokens;
  readonly records: ConnectionRecords;
  readonly way: Way;
  /** Names that the connection was permitted for: grows. */
  readonly hosts: Set<string>;
  /** What a client is told of a denial with this record. */
  readonly explain: (judgement: Judgement, id: string | undefined) => Buffer;
}

export class Requests {
  private readonly parts: RequestsParts;
  constructor(parts: RequestsParts) {
    this.parts = parts;
  }

  /** The policy may change while the record is made: the judge that counts is the one after it. */
  async request(head: RequestHead, bytes: Buffer): Promise<Passage> {
    const { judge: current, hosts } = this.parts;
    for (let round = 0; round < maxRounds; round++) {
      const judge = current();
      const judged = this.judged(judge, head);
      const carried = await this.carried(judged, head, bytes);
      const refused = carried?.refused;
      const judgement = refused === undefined ? judged : judge.refuse(tokenRule, refused, this.parts.way.to);
      const jti = carried?.refused === undefined ? carried?.jti : undefined;
      const id = await this.record(judgement, head, jti);
      if (!judgement.pass) return { refusal: this.parts.explain(judgement, id) };
      if (current() !== judge) continue;
      hosts.add(head.host);
      return this.passage(carried, head, bytes);
    }
    return { refusal: Buffer.alloc(0) };
  }

  /** In monitor mode what cannot be read goes on as it is; over TLS of ours, nothing does. */
  async malformed(reason: string): Promise<{ readonly refusal: Buffer } | { readonly pass: true }> {
    const { judge, way, explain } = this.parts;
    const why = `HTTP: ${reason}`;
    const judgement =
      way.tls === undefined ? judge().refuse(protocolRule, why, way.to) : judge().deny(protocolRule, why);
    const id = await this.record(judgement, undefined);
    return judgement.pass ? { pass: true } : { refusal: explain(judgement, id) };
  }

  private judged(judge: Judge, head: RequestHead): Judgement {
    const { way, pins } = this.parts;
    const judged = judgeRequest(judge, way.to, pins, head);
    const why = judged.pass ? astray(way, judged, head) : undefined;
    return why === undefined ? judged : judge.deny(upstreamRule, why);
  }

  private carried(judged: Judgement, head: RequestHead, bytes: Buffer): Promise<Carried> | undefined {
    if (judged.token === undefined) return undefined;
    const { tokens, way } = this.parts;
    const refused = inClear(way, judged);
    if (refused !== undefined) return Promise.resolve({ refused });
    return carryToken(tokens, judged.token, head, bytes, { target: targetOf(way), port: way.to.port });
  }

  /** In monitor mode a request that got no token goes on as it is. */
  private passage(carried: Carried | undefined, head: RequestHead, bytes: Buffer): Passage {
    if (carried === undefined || carried.refused !== undefined) return this.rehosted(undefined, head, bytes);
    const { head: rewritten, expected, jti } = carried;
    const body =
      expected === undefined
        ? {}
        : { body: bodyCheck(expected, (reason) => this.notTheFile(reason, head, jti)) };
    return { ...this.rehosted(rewritten, head, bytes), ...body };
  }

  /** Over TLS the server is told its own authority: the agent's connection went to another port. */
  private rehosted(rewritten: Buffer | undefined, { host }: RequestHead, bytes: Buffer): Passage {
    const { way } = this.parts;
    if (way.tls !== undefined)
      return {
        head: withFields(rewritten ?? bytes, ['host'], [['Host', authorityAt(targetOf(way), host)]]),
      };
    return rewritten === undefined ? {} : { head: rewritten };
  }

  /** Whatever the mode: a token that was used for another file is no grant. */
  private async notTheFile(reason: string, head: RequestHead, jti: string): Promise<Buffer> {
    const judgement = this.parts.judge().deny(tokenRule, reason);
    return this.parts.explain(judgement, await this.record(judgement, head, jti));
  }

  private record(judgement: Judgement, head: RequestHead | undefined, jti?: string) {
    const { records, way } = this.parts;
    return records.request(judgement, head, { way, ...(jti === undefined ? {} : { jti }) });
  }
}
