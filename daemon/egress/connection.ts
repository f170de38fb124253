// One connection of the sandbox, from accept to close: whose it is, what it wants, is that granted, recorded, dialed.
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { ConnectionRecords } from './connection-records.ts';
import { dialTls, type TlsDialing } from './dial-tls.ts';
import { dial, type Dialing } from './dial.ts';
import { judgeFirstWords, mustName, type Judged } from './first-words.ts';
import type { Flows } from './flows.ts';
import { HttpGate } from './http-gate.ts';
import {
  authorityRule,
  recordOf,
  upstreamRule,
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
import { Requests } from './requests.ts';
import type { Tokens } from './tokens.ts';
import type { Trust } from './trust.ts';
import { Tunnel, type Gate } from './tunnel.ts';
import { sameUpstream, tlsOf, type TlsUpstream, type Way } from './way.ts';

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
  readonly trust: Trust;
  readonly open: Set<Connection>;
}

/** What TLS was opened for, and by whose certificates it was verified. */
interface Secured {
  readonly upstream: TlsUpstream;
  readonly host: string;
  readonly trusted: SecureContext;
  readonly facts: TlsDialing['facts'];
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
  private dialing: Dialing | undefined;
  /** Set once TLS is spoken on the agent's behalf. */
  private secured: Secured | undefined;
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
    const { dialing, secured, to, hosts } = this;
    const { pins, trust } = this.parts;
    if (dialing === undefined) return true;
    const goesOn = (judged: Judgement): boolean =>
      judged.pass && sameUpstream(tlsOf(judged), secured?.upstream);
    if (secured !== undefined)
      return (
        goesOn(judge.named(secured.host, to, pins, false)) &&
        trust.contextOf(secured.upstream.ca) === secured.trusted
      );
    if (!judge.mustRead(to, pins) && judge.literal(to) !== undefined) return true;
    if (hosts.size === 0) return goesOn(judge.anyName(to, pins));
    return [...hosts].every((host) => goesOn(judge.named(host, to, pins, false)));
  }

  /** Resolves when both descriptors are closed. */
  async close(why: string): Promise<void> {
    this.closedBecause ??= why;
    const open = [this.client, this.dialing?.server].filter((socket) => socket?.closed === false);
    const closed = open.map((socket) => new Promise((resolve) => socket?.once('close', resolve)));
    this.tunnel?.close(why);
    this.dialing?.reset();
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
      const literal = judge.mustRead(this.to, this.parts.pins) ? undefined : judge.literal(this.to);
      if (literal === undefined) peek ??= await this.peek(judge);
      if (peek !== undefined && this.unsaid(judge, peek)) {
        this.records.unsaid(judge);
        this.client.destroy();
        return;
      }
      const judged = this.judge(judge, literal, peek);
      if (!judged.judgement.pass) return this.refuse(judged, peek);
      await this.records.intent(judged);
      if (this.parts.judge() === judge) return this.carry(judged, peek);
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
    const patient =
      judge.mustRead(this.to, this.parts.pins) || (mustName(this.to.port) && this.expected(judge));
    return this.peeker.read(patient ? wordsDeadline : quietDeadline, wordsDeadline);
  }

  private expected(judge: Judge): boolean {
    return judge.anyName(this.to, this.parts.pins).pass;
  }

  private unsaid(judge: Judge, peek: Peek): boolean {
    if (peek.kind !== 'silent' || !peek.empty) return false;
    const named = mustName(this.to.port) || judge.mustRead(this.to, this.parts.pins);
    return (peek.ended || named) && this.expected(judge);
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

  private readonly explain = (judgement: Judgement, id: string | undefined): Buffer =>
    httpRefusal({ id: id ?? this.flow.id, rule: judgement.rule.id, reason: judgement.reason });

  private async carry(judged: Judged, peek: Peek | undefined): Promise<void> {
    const began = performance.now();
    if (judged.host !== undefined && judged.protocol === 'tls') this.hosts.add(judged.host);
    const dialing = this.dial(judged);
    let end = { up: 0, down: 0, outcome: typeof dialing === 'string' ? dialing : await dialing.done };
    if (typeof dialing !== 'string' && end.outcome === undefined) {
      this.tunnel = new Tunnel(this.client, dialing, this.gateFor(judged));
      const first = this.peeker.bytes;
      this.peeker.bytes = nothing;
      end = await this.tunnel.run(first);
    } else await this.unreachable(judged, end.outcome ?? '', peek);
    const outcome = this.closedBecause ?? end.outcome;
    this.records.ended(judged, { ...end, outcome, milliseconds: Math.round(performance.now() - began) });
  }

  /** A sentence when there is nothing to verify the server by. */
  private dial({ judgement, host }: Judged): Dialing | string {
    const upstream = tlsOf(judgement);
    if (upstream === undefined) return (this.dialing = dial(this.to, this.client));
    // No rule leads here without a name. If one did, it must not end in clear text.
    if (host === undefined) return 'nothing named whose certificate is to be checked';
    const trusted = this.parts.trust.contextOf(upstream.ca);
    if (typeof trusted === 'string') return trusted;
    const to = { address: this.to.address, port: upstream.port };
    const dialing = dialTls(to, host, trusted, this.client);
    this.secured = { upstream, host, trusted, facts: dialing.facts };
    return (this.dialing = dialing);
  }

  /** Over TLS the client is told why; there is no other way to it. */
  private async unreachable({ judgement, host }: Judged, why: string, peek: Peek | undefined): Promise<void> {
    const upstream = tlsOf(judgement);
    const head = peek?.kind === 'http' && peek.head.status === 'ok' ? peek.head.head : undefined;
    if (upstream === undefined || head === undefined || this.client.destroyed) {
      this.client.resetAndDestroy();
      return;
    }
    const reason = `TLS to ${host ?? ''}:${upstream.port}: ${why}`;
    const denial = this.parts.judge().deny(upstreamRule, reason);
    const id = await this.records.unreachable(denial, head, upstream.port);
    sayAndClose(this.client, httpRefusal({ id: id ?? this.flow.id, rule: denial.rule.id, reason }, 502));
  }

  private gateFor(judged: Judged): Gate | undefined {
    // In monitor mode, when no name leads here, there is nothing to compare with.
    if (judged.literal === true) return undefined;
    if (judged.host === undefined && judged.judgement.disposition !== 'allowed') return undefined;
    if (judged.protocol === 'http') return this.httpGate();
    return judged.protocol === 'server-first' ? this.openingGate() : undefined;
  }

  private get way(): Way {
    const { to, secured } = this;
    if (secured === undefined) return { to };
    const { upstream, host, facts } = secured;
    return { to, tls: { upstream, host, facts: facts() } };
  }

  private httpGate(): HttpGate {
    const { way, hosts, records, parts, explain } = this;
    const requests = new Requests({ ...parts, way, records, hosts, explain });
    return new HttpGate({
      request: (head, bytes) => requests.request(head, bytes),
      malformed: (reason) => requests.malformed(reason),
      stalled: (refusal) => this.tunnel?.refuse(refusal),
    });
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
