// How the requests of one connection are carried on. Decided with its first words and the same for all that follow: a request
// that would go another way needs a connection of its own.
import type { Upstream } from '../model/mod.ts';
import { hostPort } from './address.ts';
import type { TlsFacts } from './dial-tls.ts';
import type { RequestHead } from './http-head.ts';
import type { Destination, Judgement } from './judge.ts';

export type TlsUpstream = Extract<Upstream, { protocol: 'tls' }>;

export interface Way {
  /** Where the agent's connection goes. */
  readonly to: Destination;
  /** Egress speaks TLS to this host. */
  readonly tls?: { readonly upstream: TlsUpstream; readonly host: string; readonly facts: TlsFacts };
}

export const tlsOf = ({ upstream }: Judgement): TlsUpstream | undefined =>
  upstream?.protocol === 'tls' ? upstream : undefined;

export const sameUpstream = (a: TlsUpstream | undefined, b: TlsUpstream | undefined): boolean =>
  a?.port === b?.port && a?.ca === b?.ca;

/** Why this granted request cannot go this way; undefined when it can. */
export function astray(way: Way, judged: Judgement, head: RequestHead): string | undefined {
  const due = tlsOf(judged);
  if (way.tls === undefined)
    return due && `requests for ${head.host} leave over TLS, and this connection was opened for another name`;
  if (head.host === way.tls.host && due !== undefined && sameUpstream(due, way.tls.upstream))
    return undefined;
  return `this connection leaves over TLS to ${way.tls.host}, and the request is for ${head.host}`;
}

/** Why no token may go this way: who listens on the wire would have it. */
export function inClear({ to, tls }: Way, { upstream }: Judgement): string | undefined {
  if (tls !== undefined || upstream?.protocol === 'plain' || isLoopback(to.address)) return undefined;
  return 'the token would leave in clear text: say `upstream: tls` in the rule, or `upstream: plain` if that is meant';
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

export interface Target {
  readonly scheme: 'http' | 'https';
  readonly port: number;
}

/** Where a request that goes this way arrives. */
export const targetOf = ({ to, tls }: Way): Target =>
  tls === undefined ? { scheme: 'http', port: to.port } : { scheme: 'https', port: tls.upstream.port };

const usual = { http: 80, https: 443 } as const;

/** Authority of the request as its server knows it: no default port. */
export const authorityAt = ({ scheme, port }: Target, host: string): string =>
  port === usual[scheme] ? (host.includes(':') ? `[${host}]` : host) : hostPort(host, port);
