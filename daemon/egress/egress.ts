// The egress process without its descriptors and its confinement: links in, listeners in, everything else is built here.
import type { Socket as Datagrams } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import type { CapabilitySet, Decider } from '../model/mod.ts';
import { Connection } from './connection.ts';
import { resolve } from './dns/resolver.ts';
import { DnsServer } from './dns/server.ts';
import { upstreamOf } from './dns/upstream.ts';
import { Flows } from './flows.ts';
import { Judge, limitRule, recordOf, type Guard } from './judge.ts';
import { controlLineLimit, flowLineLimit, readLines, writeLine } from './lines.ts';
import { parseControl, parseFlow, parseStart, type Start } from './messages.ts';
import { Pins } from './pins.ts';
import { LinkRecorder } from './recorder.ts';
import { LinkTokens } from './tokens.ts';
import { Trust, type Authorities } from './trust.ts';

/** Connections at once, both listeners together. */
const maxConnections = 1024;
/** Connections and datagrams that wait for the start line. */
const maxEarly = 256;

export interface EgressParts {
  readonly flows: Socket;
  readonly control: Socket;
  readonly tcp4: Server;
  readonly tcp6: Server;
  readonly dnsUdp: Datagrams;
  readonly dnsTcp: Server;
  readonly createDecider: (set: CapabilitySet) => Decider;
  readonly guard: Guard;
  /** Ends the process. `ended`: the supervisor went away, which is how a session ends. */
  readonly fatal: (why: string, ended: boolean) => void;
}

export function startEgress(parts: EgressParts): void {
  let running: Running | undefined;
  const broken = (why: string, ended: boolean): void => parts.fatal(why, ended);
  readLines(parts.control, controlLineLimit, {
    line: (value) => {
      if (running === undefined) begin(new Running(parts, parseStart(value)));
      else running.control(value);
    },
    broken,
  });
  const begin = (session: Running): void => {
    running = session;
    // The flow link outlives this process: the first line may be the rest of one that our predecessor began to read.
    const line = (value: unknown): void => session.flows.add(parseFlow(value));
    readLines(parts.flows, flowLineLimit, { line, broken, skipFirst: true });
    for (const action of early.splice(0)) action(session);
  };
  // The session does not wait for us: what comes before the start line waits here, within bounds.
  const early: ((session: Running) => void)[] = [];
  const soon = (action: (session: Running) => void): boolean => {
    if (running !== undefined) action(running);
    else if (early.length >= maxEarly) return false;
    else early.push(action);
    return true;
  };
  const accept = (action: (session: Running, socket: Socket) => void) => (socket: Socket) => {
    if (!soon((session) => action(session, socket))) socket.destroy();
  };
  parts.tcp4.on(
    'connection',
    accept((session, socket) => session.accept(socket, 4)),
  );
  parts.tcp6.on(
    'connection',
    accept((session, socket) => session.accept(socket, 6)),
  );
  parts.dnsTcp.on(
    'connection',
    accept((session, socket) => session.names.converse(socket)),
  );
  parts.dnsUdp.on('message', (bytes, from) => {
    soon((session) => session.names.datagram(parts.dnsUdp, bytes, from));
  });
  parts.dnsUdp.on('error', () => undefined);
}

class Running {
  readonly flows = new Flows();
  readonly names: DnsServer;
  private readonly parts: EgressParts;
  private readonly pins = new Pins();
  private readonly recorder: LinkRecorder;
  private readonly tokens: LinkTokens;
  private readonly trust: Trust;
  private readonly open = new Set<Connection>();
  private readonly guard: Guard;
  private judge: Judge;
  private lastOverflow = -Infinity;
  private overflow = 0;

  constructor(parts: EgressParts, start: Start) {
    this.parts = parts;
    this.recorder = new LinkRecorder(parts.control);
    this.tokens = new LinkTokens(parts.control);
    this.trust = new Trust(start.authorities);
    this.guard = (address) =>
      parts.guard(address) ?? (start.own.has(address) ? 'an address of this machine' : undefined);
    this.judge = new Judge(start.capabilitySet, parts.createDecider, this.guard);
    for (const pin of start.pins) this.pins.add(pin.host, pin.addresses, pin.ttl);
    this.names = this.resolver(start);
    void writeLine(parts.control, { t: 'ready' }).catch(() => undefined);
  }

  accept(socket: Socket, family: 4 | 6): void {
    if (this.open.size >= maxConnections) {
      socket.resetAndDestroy();
      this.reportOverflow();
      return;
    }
    socket.setNoDelay(true);
    const { flows, pins, recorder, tokens, trust, open } = this;
    const parts = { judge: () => this.judge, flows, pins, recorder, tokens, trust, open };
    void new Connection(parts, socket).serve(family);
  }

  control(value: unknown): void {
    const message = parseControl(value);
    if (message.kind === 'ack') this.recorder.acknowledge(message.ack);
    else if (message.kind === 'token') this.tokens.answered(message.answer);
    else void this.change(message.capabilitySet, message.authorities);
  }

  /** Acknowledged only when nothing is open any more that the new policy would not open. */
  private async change(set: CapabilitySet, authorities: Authorities): Promise<void> {
    this.trust.replace(authorities);
    const judge = new Judge(set, this.parts.createDecider, this.guard);
    this.judge = judge;
    const lost = [...this.open].filter((connection) => !connection.stillGranted(judge));
    await Promise.all(lost.map((connection) => connection.close('policy')));
    await writeLine(this.parts.control, { t: 'policy-ack', generation: set.generation }).catch(
      () => undefined,
    );
  }

  private resolver(start: Start): DnsServer {
    const { pins, recorder } = this;
    const resolver = {
      judge: () => this.judge,
      pins,
      recorder,
      hosts: start.hosts,
      ask: upstreamOf(start.upstream),
      announce: async (host: string, addrs: readonly string[], ttl: number) => {
        const pin = { t: 'pin', host, addrs, ttl };
        // On control it is for whoever takes our place, should we die: nobody waits for that.
        void writeLine(this.parts.control, pin).catch(() => undefined);
        await writeLine(this.parts.flows, pin);
      },
    };
    return new DnsServer({
      recorder,
      judge: () => this.judge,
      resolve: (query) => resolve(resolver, query),
    });
  }

  private reportOverflow(): void {
    this.overflow += 1;
    if (performance.now() - this.lastOverflow < 1000) return;
    const judged = this.judge.refuse(limitRule, `more than ${maxConnections} connections at once`);
    const record = recordOf({ ...judged, disposition: 'denied' }, 'connect', 'connect', 'egress');
    this.recorder.note({ ...record, object: 'connections', count: this.overflow });
    this.lastOverflow = performance.now();
    this.overflow = 0;
  }
}
