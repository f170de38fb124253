// `cordon token jwks|status|rotate`: what backends need, and new keys.
import { isSet, type VerbAction } from '../../verb.ts';

/** The key set alone, as backends want it; `--json` adds the issuer. */
export const tokenJwks: VerbAction = async ({ daemon, json, out }) => {
  const { jwks, issuer } = await daemon.ask('tokenKeys', {}, 'tokenKeysAnswer');
  out(json ? JSON.stringify({ issuer, jwks: JSON.parse(jwks) as unknown }) : jwks);
  return 0;
};

/** The status list JWT alone. */
export const tokenStatus: VerbAction = async ({ daemon, json, out }) => {
  const { statusList, issuer } = await daemon.ask('tokenKeys', {}, 'tokenKeysAnswer');
  out(json ? JSON.stringify({ issuer, statusList }) : statusList);
  return 0;
};

export const tokenRotate: VerbAction = async (context) => {
  const now = isSet(context, 'now');
  const { jwks } = await context.daemon.ask('tokenKeys', { rotate: now ? 'now' : 'next' }, 'tokenKeysAnswer');
  const { keys } = JSON.parse(jwks) as { readonly keys: readonly { readonly kid: string }[] };
  const kid = keys.at(-1)?.kid ?? '';
  if (context.json) context.out(JSON.stringify({ kid, keys: keys.map((key) => key.kid), now }));
  else if (now) context.out(`Key ${kid} signs now; tokens by older keys are worthless.`);
  else context.out(`Key ${kid} is published, and signs in an hour.`);
  return 0;
};
