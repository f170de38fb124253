// `cordon verifier tokens|revoke`: what the verifier's service minted, and the end of it. On the service's own machine, in its
// own file: in force for the running service when it returns.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CordonError } from '../../model/mod.ts';
import { openStore } from '../../verifier-service/mod.ts';
import type { MintedToken, Selected, Store } from '../../verifier-service/mod.ts';
import { columns } from '../text/columns.ts';
import { printable } from '../text/printable.ts';
import { clockText } from '../text/time.ts';
import { isSet, textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

const maxActs = 200;

function opened(context: VerbContext): Store {
  const state = textOption(context, 'state');
  if (state === undefined)
    throw new CordonError('config-invalid', '--state is missing', {
      fix: '--state DIR, as the service has it',
    });
  const file = join(state, 'verifier.db');
  if (existsSync(file)) return openStore(file);
  throw new CordonError('not-found', `${state} is no directory of a verifier`, { file });
}

function used<T>(context: VerbContext, work: (store: Store) => T): T {
  const store = opened(context);
  try {
    return work(store);
  } finally {
    store.close();
  }
}

const line = ({ jti, ak, session, audience, details, exp, revoked, why }: MintedToken): string[] => [
  ...[jti, `${ak.slice(0, 16)}…`, session, printable(audience)],
  revoked === 0 ? `until ${clockText(exp * 1000)}` : `revoked: ${printable(why)}`,
  printable(details),
];

export const verifierTokens: VerbAction = (context) =>
  used(context, ({ book }) => {
    const tokens = book.live(Math.floor(context.now / 1000));
    if (context.json) context.out(JSON.stringify({ tokens, acts: book.acts(maxActs) }));
    else if (tokens.length === 0) context.out('No token that this service minted is alive.');
    else
      context.out(
        ...columns(['token', 'machine', 'session', 'audience', 'state', 'permits'], tokens.map(line)),
      );
    return Promise.resolve(0);
  });

function selected(context: VerbContext): Selected {
  const [jti] = context.operands;
  const ak = textOption(context, 'endpoint');
  const given: Selected[] = [
    ...(jti === undefined ? [] : [{ by: 'jti' as const, value: jti }]),
    ...(ak === undefined ? [] : [{ by: 'ak' as const, value: ak }]),
    ...(isSet(context, 'all') ? [{ by: 'all' as const }] : []),
  ];
  const [only] = given;
  const lifts = isSet(context, 'lift');
  if (only !== undefined && given.length === 1 && (!lifts || only.by === 'ak')) return only;
  throw new CordonError(
    'config-invalid',
    lifts ? '--lift goes with --endpoint' : 'exactly one of ID, --endpoint and --all is needed',
    { fix: 'cordon verifier tokens --state DIR --json shows them' },
  );
}

export const verifierRevoke: VerbAction = (context) =>
  used(context, ({ book }) => {
    const which = selected(context);
    const why = textOption(context, 'reason') ?? 'revoked by the verifier’s administrator';
    const lifts = isSet(context, 'lift');
    const tokens = lifts ? [] : book.revoke(which, why, context.now);
    if (which.by === 'ak') book.block(which.value, !lifts, why, context.now);
    if (which.by === 'jti' && tokens.length === 0)
      throw new CordonError('not-found', 'there is no such token that was not revoked before', {
        fix: 'cordon verifier tokens --state DIR',
      });
    if (context.json) context.out(JSON.stringify({ by: which.by, tokens, lifted: lifts }));
    else if (lifts) context.out('tokens may be minted for it again, once it is enrolled and accepted');
    else context.out(`revoked ${tokens.length === 1 ? '1 token' : `${tokens.length} tokens`}`);
    return Promise.resolve(0);
  });
