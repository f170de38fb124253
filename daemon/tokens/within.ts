// A session can give away only what it has: every detail is asked of the session's own decider, and what the decider knows
// nothing of (tools, rows, audiences) of the profile's token policy.
import type { BytePath, CapabilitySet, Decider, TokenDemand, TokenPolicy } from '../model/mod.ts';
import { toBytes } from '../model/mod.ts';
import { destinationOf } from './details.ts';
import type { DbRowDetail, Detail } from './details.ts';
import { detailText } from './details.ts';

export interface Lack {
  /** In words. */
  readonly reason: string;
  /** What would have to be written in the profile. */
  readonly fix: string;
}

/** What the session may do itself. */
export interface Session {
  readonly capabilitySet: CapabilitySet;
  readonly decider: Decider;
}

/** Undefined when the session itself may do all of it. */
export function beyondSession(
  audience: string,
  details: readonly Detail[],
  { decider, capabilitySet }: Session,
): Lack | undefined {
  const policy = capabilitySet.tokens;
  if (policy === undefined)
    return {
      reason: 'the profile grants no tokens',
      fix: 'add to the profile: tokens: { audiences: [...] }',
    };
  if (!policy.audiences.includes(audience))
    return { reason: `the profile grants no tokens for ${audience}`, fix: `add it to tokens.audiences` };
  for (const detail of details) {
    const lack = lackOf(detail, { decider, capabilitySet }, policy);
    if (lack !== undefined) return lack;
  }
  return undefined;
}

function lackOf(detail: Detail, session: Session, policy: TokenPolicy): Lack | undefined {
  switch (detail.type) {
    case 'http':
      return network(session, detail.host, detail.port);
    case 'file.upload': {
      const { host, port } = destinationOf(detail.destination);
      return network(session, host, port);
    }
    case 'exec':
      return verdictLack(detailText(detail), session.decider.exec(toBytes(detail.path) as BytePath));
    case 'tool.call':
      return policy.tools.some((pattern) => matches(pattern, detail.tool))
        ? undefined
        : {
            reason: `the profile grants no token for the tool ${detail.tool}`,
            fix: 'add it to tokens.tools',
          };
    case 'db.row':
      return policy.rows.some((row) => coversRow(row, detail))
        ? undefined
        : {
            reason: `the profile grants no token for ${detailText(detail)}`,
            fix: 'add the table to tokens.rows',
          };
  }
}

/** Reached by the agent itself, or by egress for it: then by the port of TLS, and not by the one the agent speaks to. */
function network({ decider, capabilitySet }: Session, host: string, port: number): Lack | undefined {
  const verdict = decider.network({ host, port });
  const upstream = arrivalOf(verdict);
  if (verdict.effect === 'allow' && upstream.scheme === undefined) return undefined;
  if (leadsTo(capabilitySet, port).some((from) => arrives(decider, host, from, port))) return undefined;
  if (upstream.scheme === undefined) return verdictLack(`${host}:${port}`, verdict);
  return {
    reason: `what goes to ${host}:${port} is carried on over TLS to port ${upstream.port}`,
    fix: `ask for ${host}:${upstream.port}`,
  };
}

const leadsTo = ({ network: rules }: CapabilitySet, port: number): readonly number[] => [
  ...new Set(
    rules.flatMap((rule) =>
      rule.upstream?.protocol === 'tls' && rule.upstream.port === port ? [rule.port] : [],
    ),
  ),
];

function arrives(decider: Decider, host: string, from: number, port: number): boolean {
  const verdict = decider.network({ host, port: from });
  return verdict.effect === 'allow' && arrivalOf(verdict).port === port;
}

/** Where egress carries requests of this grant on to, if over TLS. */
function arrivalOf({ obligations }: ReturnType<Decider['network']>): { scheme?: 'https'; port?: number } {
  const upstream = obligations.find((each) => each.kind === 'upstream');
  return upstream?.protocol === 'tls' ? { scheme: 'https', port: upstream.port } : {};
}

/** The token that a grant wants of its requests, and where these arrive. Undefined: it wants none. */
export function demandedAt(
  { decider }: Session,
  to: { readonly host: string; readonly port: number },
): { readonly demand: TokenDemand; readonly scheme: 'http' | 'https'; readonly port: number } | undefined {
  const verdict = decider.network(to);
  const demand = verdict.obligations.find((each) => each.kind === 'token');
  if (verdict.effect !== 'allow' || demand === undefined) return undefined;
  const { scheme = 'http', port = to.port } = arrivalOf(verdict);
  return { demand, scheme, port };
}

const verdictLack = (what: string, { effect, reason }: ReturnType<Decider['exec']>): Lack | undefined =>
  effect === 'allow'
    ? undefined
    : {
        reason: `the session itself may not do this: ${what}: ${reason}`,
        fix: 'cordon policy test shows what the profile says',
      };

const matches = (pattern: string, tool: string): boolean =>
  pattern.endsWith('*') ? tool.startsWith(pattern.slice(0, -1)) : tool === pattern;

const coversRow = (row: TokenPolicy['rows'][number], detail: DbRowDetail): boolean =>
  row.database === detail.database &&
  row.table === detail.table &&
  detail.actions.every((action) => row.actions.includes(action));
