// `cordon token revoke ID | --session S | --agent A | --policy DIGEST | --all`. In force, on the disk and published when it
// returns.
import { CordonError } from '../../../model/mod.ts';
import { printable } from '../../text/printable.ts';
import { isSet, textOption, type VerbAction, type VerbContext } from '../../verb.ts';

function selector(context: VerbContext): { by: string; value: string } {
  const [id] = context.operands;
  const named = (['session', 'agent', 'policy'] as const).map((by) => ({
    by,
    value: textOption(context, by),
  }));
  const given = [
    { by: 'id', value: id },
    ...named,
    { by: 'all', value: isSet(context, 'all') ? '' : undefined },
  ].flatMap(({ by, value }) => (value === undefined ? [] : [{ by, value }]));
  const [only] = given;
  if (only !== undefined && given.length === 1) return only;
  throw new CordonError(
    'config-invalid',
    'exactly one of ID, --session, --agent, --policy and --all is needed',
    {
      fix: 'cordon token list shows the tokens that there are',
    },
  );
}

export const tokenRevoke: VerbAction = async (context) => {
  const request = { ...selector(context), reason: textOption(context, 'reason') ?? '' };
  const { jtis, milliseconds } = await context.daemon.ask('tokenRevoke', request, 'tokenRevokeAnswer');
  if (context.json) context.out(JSON.stringify({ by: request.by, tokens: jtis, milliseconds }));
  else {
    const what = jtis.length === 1 ? '1 token' : `${jtis.length} tokens`;
    const names = jtis.length === 0 || jtis.length > 20 ? '' : `: ${jtis.map(printable).join(' ')}`;
    context.out(`revoked ${what} in ${Math.round(milliseconds)} ms${names}`);
  }
  return 0;
};
