// How granted requests are carried on, as a rule says it. What is opened for requests (TLS of egress' own) is for names:
// a certificate speaks for a name.
import { parseCidr } from '../decision/mod.ts';
import type { TokenDemand, Upstream } from '../model/mod.ts';
import type { Destination } from './destination.ts';
import { joinKey } from './document.ts';
import type { LocatedDocument } from './document.ts';
import { invalid } from './source.ts';

export type RawUpstream =
  'plain' | 'tls' | { readonly protocol: 'tls'; readonly port?: number; readonly ca?: string };

const usualPort = 443;

export function readUpstream(
  document: LocatedDocument,
  key: string,
  raw: RawUpstream | undefined,
  rule: {
    readonly effect: string;
    readonly destinations: readonly Destination[];
    readonly token: TokenDemand | undefined;
  },
): Upstream | undefined {
  if (raw === undefined) return undefined;
  const place = document.place(joinKey(key, 'upstream'));
  if (rule.effect !== 'allow')
    throw invalid(place, `a ${rule.effect} rule carries nothing on`, 'remove upstream');
  if (raw === 'plain') {
    if (rule.token !== undefined) return { protocol: 'plain' };
    throw invalid(place, 'plain is for tokens that leave in clear text, and there is no token', 'remove it');
  }
  if (rule.destinations.some(({ host }) => parseCidr(host) !== undefined))
    throw invalid(
      place,
      'a certificate is checked against a name, and an address is granted',
      'grant a name',
    );
  if (rule.destinations.some(({ port }) => port === 0))
    throw invalid(
      place,
      'which port the agent speaks plain HTTP to is not said',
      'grant one port, such as 80',
    );
  const { port, ca } = raw === 'tls' ? {} : raw;
  return { protocol: 'tls', port: port ?? usualPort, ...(ca === undefined ? {} : { ca }) };
}

/** For people. */
export const upstreamText = (upstream: Upstream): string =>
  upstream.protocol === 'plain'
    ? 'in clear text'
    : `TLS to port ${upstream.port}${upstream.ca === undefined ? '' : `, authorities of ${upstream.ca}`}`;
