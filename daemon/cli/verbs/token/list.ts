// `cordon token list`: tokens that have not expired; with --all also those that were revoked or used up.
import { columns } from '../../text/columns.ts';
import { clockText } from '../../text/time.ts';
import { isSet, textOption, type VerbAction } from '../../verb.ts';

interface Listed {
  readonly jti: string;
  readonly session: string;
  readonly agent: string;
  readonly audience: string;
  readonly details: string;
  readonly exp: number;
  readonly uses: number;
  readonly used: number;
  readonly revoked: number;
}

const stateOf = ({ revoked, used, uses }: Listed): string =>
  revoked > 0 ? 'revoked' : used >= uses ? 'used' : 'valid';

const row = (token: Listed): string[] => [
  token.jti,
  token.session,
  token.agent,
  stateOf(token),
  clockText(token.exp * 1000),
  token.audience,
  token.details,
];

export const tokenList: VerbAction = async (context) => {
  const { daemon, colours, json, out } = context;
  const request = { session: textOption(context, 'session') ?? '', all: isSet(context, 'all') };
  const tokens: Listed[] = [];
  for await (const { kind, body } of daemon.stream('tokens', request))
    // Written by cordond.
    if (kind === 'tokensAnswer') tokens.push(...body.tokens.map((text) => JSON.parse(text) as Listed));
  if (json) out(JSON.stringify({ tokens }));
  else if (tokens.length === 0) out('There are no tokens.');
  else {
    const heading = ['ID', 'SESSION', 'AGENT', 'STATE', 'UNTIL', 'AUDIENCE', 'PERMITS'];
    const [head = '', ...lines] = columns(heading, tokens.map(row));
    out(colours.bold(head), ...lines);
  }
  return 0;
};
