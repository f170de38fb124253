// A session can give away only what it has: every detail is asked of the session's own decider, and what the decider knows
// nothing of (tools, rows, audiences) of the profile's token policy.
import type { BytePath, Decider, TokenPolicy } from '../model/mod.ts';
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

/** Undefined when the session itself may do all of it. */
export function beyondSession(
  audience: string,
  details: readonly Detail[],
  decider: Decider,
  policy: TokenPolicy | undefined,
): Lack | undefined {
  if (policy === undefined)
    return {
      reason: 'the profile grants no tokens',
      fix: 'add to the profile: tokens: { audiences: [...] }',
    };
  if (!policy.audiences.includes(audience))
    return { reason: `the profile grants no tokens for ${audience}`, fix: `add it to tokens.audiences` };
  for (const detail of details) {
    const lack = lackOf(detail, decider, policy);
    if (lack !== undefined) return lack;
  }
  return undefined;
}

function lackOf(detail: Detail, decider: Decider, policy: TokenPolicy): Lack | undefined {
  switch (detail.type) {
    case 'http':
      return network(decider, detail.host, detail.port);
    case 'file.upload': {
      const { host, port } = destinationOf(detail.destination);
      return network(decider, host, port);
    }
    case 'exec':
      return verdictLack(detailText(detail), decider.exec(toBytes(detail.path) as BytePath));
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

const network = (decider: Decider, host: string, port: number): Lack | undefined =>
  verdictLack(`${host}:${port}`, decider.network({ host, port }));

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
