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

/** Connections at once, both listeners together. */
const maxConnections = 1024;

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
      if (running === undefined) running = new Running(parts, parseStart(value));
      else running.control(value);
    },
    broken,
  });
  readLines(parts.flows, flowLineLimit, {
    line: (value) => {
      // Flows exist only after `ready`; one before it is a supervisor that lost its way.
      if (running === undefined) throw new Error('a flow before the start');
      running.flows.add(parseFlow(value));
    },
    broken,
  });
  const accept = (family: 4 | 6) => (socket: Socket) => {
    if (running === undefined) socket.destroy();
    else running.accept(socket, family);
  };
  parts.tcp4.on('connection', accept(4));
  parts.tcp6.on('connection', accept(6));
}

class Running {
  readonly flows = new Flows();
  private readonly parts: EgressParts;
  private readonly pins = new Pins();
  private readonly recorder: LinkRecorder;
  private readonly open = new Set<Connection>();
  private judge: Judge;
  private lastOverflow = -Infinity;
  private overflow = 0;

  constructor(parts: EgressParts, start: Start) {
    this.parts = parts;
    this.recorder = new LinkRecorder(parts.control);
    this.judge = new Judge(start.capabilitySet, parts.createDecider, parts.guard);
    for (const pin of start.pins) this.pins.add(pin.host, pin.addresses, pin.ttl);
    this.serveNames(start);
    void writeLine(parts.control, { t: 'ready' }).catch(() => undefined);
  }

  accept(socket: Socket, family: 4 | 6): void {
    if (this.open.size >= maxConnections) {
      socket.resetAndDestroy();
      this.reportOverflow();
      return;
    }
    socket.setNoDelay(true);
    const { flows, pins, recorder, open } = this;
    void new Connection({ judge: () => this.judge, flows, pins, recorder, open }, socket).serve(family);
  }

  control(value: unknown): void {
    const message = parseControl(value);
    if (message.kind === 'ack') this.recorder.acknowledge(message.ack);
    else void this.change(message.capabilitySet);
  }

  /** Acknowledged only when nothing is open any more that the new policy would not open. */
  private async change(set: CapabilitySet): Promise<void> {
    const judge = new Judge(set, this.parts.createDecider, this.parts.guard);
    this.judge = judge;
    const lost = [...this.open].filter((connection) => !connection.stillGranted(judge));
    await Promise.all(lost.map((connection) => connection.close('policy')));
    await writeLine(this.parts.control, { t: 'policy-ack', generation: set.generation }).catch(
      () => undefined,
    );
  }

  private serveNames(start: Start): void {
    const { pins, recorder } = this;
    const resolver = {
      judge: () => this.judge,
      pins,
      recorder,
      hosts: start.hosts,
      ask: upstreamOf(start.upstream),
      announce: (host: string, addrs: readonly string[], ttl: number) =>
        writeLine(this.parts.flows, { t: 'pin', host, addrs, ttl }),
    };
    const server = new DnsServer({
      recorder,
      judge: () => this.judge,
      resolve: (query) => resolve(resolver, query),
    });
    server.serveUdp(this.parts.dnsUdp);
    server.serveTcp(this.parts.dnsTcp);
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
