// Judges what a client said first. Pure: bytes have been classified, records and sockets are others' business.
import { canonical, isHostName } from './address.ts';
import type { RequestHead } from './http-head.ts';
import {
  authorityRule,
  protocolRule,
  tokenRule,
  upstreamRule,
  type Destination,
  type Judge,
  type Judgement,
} from './judge.ts';
import type { Peek } from './peek.ts';
import type { Pins } from './pins.ts';

export interface Judged {
  readonly judgement: Judgement;
  readonly host: string | undefined;
  readonly protocol: 'tls' | 'http' | 'opaque' | 'server-first';
  readonly alpn?: readonly string[];
  /** A rule names this address: nothing that is said there is read. */
  readonly literal?: boolean;
}

/** Where the authority must be said: nothing else is spoken there by right. */
const namedPorts: readonly number[] = [80, 443];
export const mustName = (port: number): boolean => namedPorts.includes(port);

/** For a destination that is not granted as a literal address. */
export function judgeFirstWords(judge: Judge, to: Destination, pins: Pins, peek: Peek): Judged {
  const judged = judgeWords(judge, to, pins, peek);
  if (judged.protocol === 'http') return judged;
  const { token, upstream } = judged.judgement;
  if (upstream?.protocol === 'tls') return { ...judged, judgement: judge.deny(upstreamRule, speakHttp) };
  // Where the request cannot be read there is no place for a token, and no telling which file goes up.
  return token === undefined ? judged : { ...judged, judgement: judge.refuse(tokenRule, mustBeHttp, to) };
}

const speakHttp =
  'this grant is for plain HTTP, which egress carries on over TLS: use http:// and no TLS here';
const mustBeHttp =
  'requests under this grant carry tokens, so they must be plain HTTP: nothing else can be read';

function judgeWords(judge: Judge, to: Destination, pins: Pins, peek: Peek): Judged {
  const protocol = peek.kind === 'silent' ? 'server-first' : peek.kind;
  const any = judge.anyName(to, pins);
  // No name leads here and the address is not granted: what was said does not matter.
  if (any.host === undefined && any.disposition !== 'allowed')
    return { judgement: any, host: undefined, protocol };
  switch (peek.kind) {
    case 'tls':
      return judgeHello(judge, to, pins, peek.hello, any);
    case 'http':
      if (peek.head.status === 'ok')
        return {
          judgement: judgeRequest(judge, to, pins, peek.head.head),
          host: peek.head.head.host,
          protocol,
        };
      return { judgement: unreadable(judge, to, any, peek.head.reason), host: any.host, protocol };
    case 'opaque':
    case 'silent':
      if (any.upstream?.protocol === 'tls')
        return { judgement: judge.deny(upstreamRule, speakHttp), host: any.host, protocol };
      return { judgement: judgeUnnamed(judge, to, peek, any), host: any.host, protocol };
  }
}

type Any = ReturnType<Judge['anyName']>;

/** Monitor mode lets what cannot be read go on as it is, but never in clear text to where TLS is due. */
const unreadable = (judge: Judge, to: Destination, any: Any, reason: string): Judgement =>
  any.upstream?.protocol === 'tls'
    ? judge.deny(protocolRule, `HTTP: ${reason}`)
    : judge.refuse(protocolRule, `HTTP: ${reason}`, to);
type TlsHello = Extract<Peek, { kind: 'tls' }>['hello'];

function judgeHello(judge: Judge, to: Destination, pins: Pins, hello: TlsHello, any: Any): Judged {
  const refused = (reason: string): Judged => ({
    judgement: judge.refuse(authorityRule, reason, to),
    host: undefined,
    protocol: 'tls',
  });
  if (hello.status === 'bad') return refused(`TLS: ${hello.reason}`);
  if (hello.encrypted)
    return refused('TLS: an encrypted ClientHello hides the name that the connection is for');
  if (hello.name === undefined && any.host === undefined)
    return { judgement: any, host: undefined, protocol: 'tls', alpn: hello.alpn };
  if (hello.name === undefined) return refused('TLS without a server name (SNI): the grant is for a name');
  if (!isHostName(hello.name)) return refused('TLS: the server name is not a host name');
  const judgement = judge.named(hello.name, to, pins);
  return { judgement, host: hello.name, protocol: 'tls', alpn: hello.alpn };
}

/** One authority: Host is a name pinned to where the connection goes, its port is the port it goes to. */
export function judgeRequest(judge: Judge, to: Destination, pins: Pins, head: RequestHead): Judgement {
  if (head.port !== undefined && head.port !== to.port)
    return judge.refuse(
      authorityRule,
      `Host says port ${head.port}, the connection goes to port ${to.port}`,
      to,
    );
  if (canonical(head.host) === to.address) {
    const judged = judge.address(to);
    return judged.upstream?.protocol === 'tls' ? judge.deny(upstreamRule, noName) : judged;
  }
  if (!isHostName(head.host)) return judge.refuse(authorityRule, `Host ${head.host} is not a host name`, to);
  return judge.named(head.host, to, pins);
}

const noName =
  'this grant is carried on over TLS, and a certificate is checked against a name, not an address';

function judgeUnnamed(judge: Judge, to: Destination, peek: Peek, any: Any): Judgement {
  if (!any.pass) return any;
  if (any.host === undefined && (peek.kind === 'opaque' || (peek.kind === 'silent' && peek.empty)))
    return any;
  if (peek.kind === 'silent' && !(peek.empty && !mustName(to.port)))
    return judge.refuse(protocolRule, 'the client did not say in time what it wants', to);
  if (peek.kind === 'opaque' && mustName(to.port))
    return judge.refuse(
      protocolRule,
      `neither TLS nor HTTP on port ${to.port}: the name cannot be checked`,
      to,
    );
  return any;
}
