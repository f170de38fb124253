// The records of one connection: what it wanted, each HTTP request on it, how it ended.
import type { NewRecord } from '../model/mod.ts';
import type { Judged } from './first-words.ts';
import type { RequestHead } from './http-head.ts';
import {
  destinationText,
  protocolRule,
  recordOf,
  type Destination,
  type Judge,
  type Judgement,
} from './judge.ts';
import type { Flow } from './messages.ts';
import type { Recorder } from './recorder.ts';
import { targetOf, tlsOf, type Way } from './way.ts';

type About = Pick<NewRecord, 'object' | 'object2' | 'process'> & {
  readonly detail: { readonly flow: string };
};

export interface Ending {
  readonly up: number;
  readonly down: number;
  readonly milliseconds: number;
  readonly outcome: string | undefined;
}

export class ConnectionRecords {
  private readonly recorder: Recorder;
  private readonly flow: Flow;
  private readonly to: Destination;
  constructor(recorder: Recorder, flow: Flow, to: Destination) {
    this.recorder = recorder;
    this.flow = flow;
    this.to = to;
  }

  /** Resolves with the id once journalled. */
  intent(judged: Judged): Promise<string | undefined> {
    const about = this.about(judged.host);
    const alpn = judged.alpn === undefined ? {} : { alpn: judged.alpn };
    const tls = tlsOf(judged.judgement);
    const upstream = tls === undefined ? {} : { upstream: 'tls', upstreamPort: tls.port };
    return this.recorder.record({
      ...recordOf(judged.judgement, 'connect', 'connect', 'egress'),
      ...about,
      detail: { ...about.detail, protocol: judged.protocol, ...alpn, ...upstream },
    });
  }

  /** Query strings stay out of the record: they carry secrets. `head` is undefined when there was no readable one. */
  request(
    judgement: Judgement,
    head: RequestHead | undefined,
    { way, jti }: { readonly way?: Way; readonly jti?: string } = {},
  ): Promise<string | undefined> {
    const target = way === undefined ? ({ scheme: 'http', port: this.to.port } as const) : targetOf(way);
    const about = this.about(head?.host, target.port);
    const path = head?.target.replace(/\?.*$/s, '').slice(0, 1024) ?? '';
    return this.recorder.record({
      ...recordOf(judgement, 'http', 'request', 'egress'),
      ...about,
      object: head === undefined ? about.object : `${head.method} ${target.scheme}://${about.object}${path}`,
      detail: { ...about.detail, ...(jti === undefined ? {} : { jti }), ...tlsDetail(way) },
    });
  }

  /** Granted, and not to be reached as it must be: the request that asked for it goes nowhere. */
  unreachable(judgement: Judgement, head: RequestHead, port: number): Promise<string | undefined> {
    const about = this.about(head.host, port);
    const path = head.target.replace(/\?.*$/s, '').slice(0, 1024);
    return this.recorder.record({
      ...recordOf(judgement, 'http', 'request', 'egress'),
      ...about,
      object: `${head.method} https://${about.object}${path}`,
    });
  }

  ended(judged: Judged, { up, down, milliseconds, outcome }: Ending): void {
    const about = this.about(judged.host);
    this.recorder.note({
      ...recordOf(judged.judgement, 'connect', 'close', 'egress'),
      ...about,
      outcome: outcome ?? '0',
      detail: { ...about.detail, up, down, milliseconds },
    });
  }

  /** Opened ahead of need and never used: nothing was asked for, nothing is denied. */
  unsaid(judge: Judge): void {
    const judgement = judge.refuse(protocolRule, 'the client said nothing');
    this.recorder.note({
      ...recordOf(judgement, 'connect', 'close', 'egress'),
      disposition: 'observed',
      ...this.about(undefined),
    });
  }

  private about(host: string | undefined, port = this.to.port): About {
    return {
      object: destinationText(host, { ...this.to, port }),
      object2: this.to.address,
      process: { pid: this.flow.pid, exe: this.flow.exe },
      detail: { flow: this.flow.id },
    };
  }
}

/** What was negotiated with the server. */
function tlsDetail(way: Way | undefined): Readonly<Record<string, string>> {
  if (way?.tls === undefined) return {};
  const { host, facts } = way.tls;
  return { tls: facts.version, cipher: facts.cipher, sni: host, certificate: facts.certificate };
}
