// One connection of the sandbox, from accept to close: whose it is, what it wants, is that granted, recorded, dialed.
import type { Socket } from 'node:net';
import { ConnectionRecords } from './connection-records.ts';
import { dial } from './dial.ts';
import { judgeFirstWords, judgeRequest, mustName, type Judged } from './first-words.ts';
import type { Flows } from './flows.ts';
import { HttpGate, type Passage } from './http-gate.ts';
import type { RequestHead } from './http-head.ts';
import {
  authorityRule,
  protocolRule,
  tokenRule,
  recordOf,
  type Destination,
  type Judge,
  type Judgement,
} from './judge.ts';
import type { Flow } from './messages.ts';
import { OpeningGate } from './opening-gate.ts';
import { Peeker, type Peek } from './peek.ts';
import type { Pins } from './pins.ts';
import type { Recorder } from './recorder.ts';
import { httpRefusal, sayAndClose, tlsRefusal } from './refusal.ts';
import { bodyCheck, carryToken, type Carried } from './token-gate.ts';
import type { Tokens } from './tokens.ts';
import { Tunnel, type Gate } from './tunnel.ts';

/** Milliseconds for the client to say what it wants; how long it may say nothing before we take it for one that waits. */
const wordsDeadline = 10_000;
const quietDeadline = 300;
/** How often a decision is made again because the policy changed under it. */
const maxRounds = 3;
const nothing = Buffer.alloc(0);

export interface ConnectionParts {
  readonly judge: () => Judge;
  readonly pins: Pins;
  readonly flows: Flows;
  readonly recorder: Recorder;
  readonly tokens: Tokens;
  readonly open: Set<Connection>;
}

export class Connection {
  private readonly parts: ConnectionParts;
  private readonly client: Socket;
  private readonly peeker: Peeker;
  private flow!: Flow;
  private to!: Destination;
  private records!: ConnectionRecords;
  /** Names that this connection was permitted for. */
  private readonly hosts = new Set<string>();
  private server: Socket | undefined;
  private tunnel: Tunnel | undefined;
  private closedBecause: string | undefined;

  constructor(parts: ConnectionParts, client: Socket) {
    this.parts = parts;
    this.client = client;
    this.peeker = new Peeker(client);
    client.on('error', () => undefined);
  }

  /** Never rejects: whatever goes wrong ends the connection. */
  async serve(family: 4 | 6): Promise<void> {
    this.parts.open.add(this);
    try {
      if (await this.identify(family)) await this.decide();
    } catch {
      // A record that could not be made, or a fault of ours.
      await this.close('fault');
    } finally {
      this.parts.open.delete(this);
    }
  }

  /** Would what is open here still be granted? A connection that was not dialed yet asks again by itself. */
  stillGranted(judge: Judge): boolean {
    if (this.server === undefined) return true;
    if (judge.literal(this.to) !== undefined) return true;
    if (this.hosts.size === 0) return judge.anyName(this.to, this.parts.pins).pass;
    return [...this.hosts].every((host) => judge.named(host, this.to, this.parts.pins, false).pass);
  }

  /** Resolves when both descriptors are closed. */
  async close(why: string): Promise<void> {
    this.closedBecause ??= why;
    const open = [this.client, this.server].filter((socket) => socket?.closed === false);
    const closed = open.map((socket) => new Promise((resolve) => socket?.once('close', resolve)));
    this.tunnel?.close(why);
    this.server?.resetAndDestroy();
    this.client.resetAndDestroy();
    await Promise.all(closed);
  }

  private async identify(family: 4 | 6): Promise<boolean> {
    const port = this.client.remotePort;
    // The client left before it was looked at: nothing is asked of us, and whose it was cannot be known.
    if (port === undefined) {
      this.client.destroy();
      return false;
    }
    const flow = await this.parts.flows.take(family, port);
    if (flow !== undefined) {
      this.flow = flow;
      this.to = { address: flow.address, port: flow.destinationPort };
      this.records = new ConnectionRecords(this.parts.recorder, flow, this.to);
      return true;
    }
    const judged = this.parts.judge().refuse(authorityRule, 'no judged connect belongs to this connection');
    const record = recordOf({ ...judged, disposition: 'denied' }, 'connect', 'connect', 'egress');
    this.parts.recorder.note({ ...record, object: `unknown (local port ${port})` });
    this.client.resetAndDestroy();
    return false;
  }

  /** Decides, records, and decides again when the policy changed meanwhile: the effect belongs to one generation. */
  private async decide(): Promise<void> {
    let peek: Peek | undefined;
    for (let round = 0; round < maxRounds; round++) {
      const judge = this.parts.judge();
      const literal = judge.wantsTokens(this.to, this.parts.pins) ? undefined : judge.literal(this.to);
      if (literal === undefined) peek ??= await this.peek(judge);
      if (peek !== undefined && this.unsaid(judge, peek)) {
        this.records.unsaid(judge);
        this.client.destroy();
        return;
      }
      const judged = this.judge(judge, literal, peek);
      if (!judged.judgement.pass) return this.refuse(judged, peek);
      await this.records.intent(judged);
      if (this.parts.judge() === judge) return this.carry(judged);
    }
    await this.close('policy');
  }

  private judge(judge: Judge, literal: Judgement | undefined, peek: Peek | undefined): Judged {
    if (literal !== undefined || peek === undefined)
      return {
        judgement: literal ?? judge.address(this.to),
        host: undefined,
        protocol: 'opaque',
        literal: true,
      };
    return judgeFirstWords(judge, this.to, this.parts.pins, peek);
  }

  private peek(judge: Judge): Promise<Peek> {
    const patient = mustName(this.to.port) && this.expected(judge);
    return this.peeker.read(patient ? wordsDeadline : quietDeadline, wordsDeadline);
  }

  private expected(judge: Judge): boolean {
    return judge.anyName(this.to, this.parts.pins).pass;
  }

  private unsaid(judge: Judge, peek: Peek): boolean {
    if (peek.kind !== 'silent' || !peek.empty) return false;
    return (peek.ended || mustName(this.to.port)) && this.expected(judge);
  }

  private async refuse(judged: Judged, peek: Peek | undefined): Promise<void> {
    const words = await this.recordRefusal(judged, peek);
    if (words.length > 0) sayAndClose(this.client, words);
    else this.client.resetAndDestroy();
  }

  /** Records a denial; gives what the client is told. */
  private async recordRefusal(judged: Judged, peek: Peek | undefined): Promise<Buffer> {
    if (judged.protocol !== 'http') {
      await this.records.intent(judged);
      return judged.protocol === 'tls' ? tlsRefusal : nothing;
    }
    const head = peek?.kind === 'http' && peek.head.status === 'ok' ? peek.head.head : undefined;
    return this.explain(judged.judgement, await this.records.request(judged.judgement, head));
  }

  private explain(judgement: Judgement, id: string | undefined): Buffer {
    return httpRefusal({ id: id ?? this.flow.id, rule: judgement.rule.id, reason: judgement.reason });
  }

  private async carry(judged: Judged): Promise<void> {
    const began = performance.now();
    if (judged.host !== undefined && judged.protocol === 'tls') this.hosts.add(judged.host);
    const dialing = dial(this.to, this.client);
    this.server = dialing.server;
    let end = { up: 0, down: 0, outcome: await dialing.done };
    if (end.outcome === undefined) {
      this.tunnel = new Tunnel(this.client, dialing, this.gateFor(judged));
      const first = this.peeker.bytes;
      this.peeker.bytes = nothing;
      end = await this.tunnel.run(first);
    } else this.client.resetAndDestroy();
    const outcome = this.closedBecause ?? end.outcome;
    this.records.ended(judged, { ...end, outcome, milliseconds: Math.round(performance.now() - began) });
  }

  private gateFor(judged: Judged): Gate | undefined {
    // In monitor mode, when no name leads here, there is nothing to compare with.
    if (judged.literal === true) return undefined;
    if (judged.host === undefined && judged.judgement.disposition !== 'allowed') return undefined;
    if (judged.protocol === 'http') return this.httpGate();
    return judged.protocol === 'server-first' ? this.openingGate() : undefined;
  }

  private httpGate(): HttpGate {
    return new HttpGate({
      request: (head, bytes) => this.request(head, bytes),
      malformed: async (reason) => {
        const judgement = this.parts.judge().refuse(protocolRule, `HTTP: ${reason}`, this.to);
        const id = await this.records.request(judgement, undefined);
        return judgement.pass ? { pass: true } : { refusal: this.explain(judgement, id) };
      },
      stalled: (refusal) => this.tunnel?.refuse(refusal),
    });
  }

  /** The policy may change while the record is made: the judge that counts is the one after it. */
  private async request(head: RequestHead, bytes: Buffer): Promise<Passage> {
    for (let round = 0; round < maxRounds; round++) {
      const judge = this.parts.judge();
      const judged = judgeRequest(judge, this.to, this.parts.pins, head);
      const carried = await this.carried(judged, head, bytes);
      const refused = carried?.refused;
      const judgement = refused === undefined ? judged : judge.refuse(tokenRule, refused, this.to);
      const jti = carried?.refused === undefined ? carried?.jti : undefined;
      const id = await this.records.request(judgement, head, jti);
      if (!judgement.pass) return { refusal: this.explain(judgement, id) };
      if (this.parts.judge() !== judge) continue;
      this.hosts.add(head.host);
      return carried === undefined ? {} : this.passage(carried, head);
    }
    return { refusal: nothing };
  }

  private carried(judged: Judgement, head: RequestHead, bytes: Buffer): Promise<Carried> | undefined {
    if (judged.token === undefined) return undefined;
    return carryToken(this.parts.tokens, judged.token, head, bytes, this.to.port);
  }

  /** In monitor mode a request that got no token goes on as it is. */
  private passage(carried: Carried, head: RequestHead): Passage {
    if (carried.refused !== undefined) return {};
    const { head: rewritten, expected, jti } = carried;
    return {
      ...(rewritten === undefined ? {} : { head: rewritten }),
      ...(expected === undefined
        ? {}
        : { body: bodyCheck(expected, (reason) => this.notTheFile(reason, head, jti)) }),
    };
  }

  /** Whatever the mode: a token that was used for another file is no grant. */
  private async notTheFile(reason: string, head: RequestHead, jti: string): Promise<Buffer> {
    const judgement = { ...this.parts.judge().refuse(tokenRule, reason), disposition: 'denied' } as const;
    return this.explain(judgement, await this.records.request(judgement, head, jti));
  }

  private openingGate(): OpeningGate {
    return new OpeningGate({
      serverSpoke: () => (this.tunnel?.down ?? 0) > 0,
      judge: async (peek) => {
        const judged = judgeFirstWords(this.parts.judge(), this.to, this.parts.pins, peek);
        if (!judged.judgement.pass) return { refusal: await this.recordRefusal(judged, peek) };
        await this.records.intent(judged);
        if (judged.host !== undefined && judged.protocol === 'tls') this.hosts.add(judged.host);
        return { gate: judged.protocol === 'http' ? this.httpGate() : undefined };
      },
      stalled: () => this.tunnel?.refuse(nothing),
    });
  }
}
