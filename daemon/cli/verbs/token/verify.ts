// `cordon token verify`: as a backend would, by published keys alone. Needs no daemon. Exit status 1 when it is refused.
import {
  checkStanding,
  createTokenVerifier,
  keySource,
  readStatusList,
  readToken,
  TokenRefused,
} from '../../../tokens/mod.ts';
import { CordonError } from '../../../model/mod.ts';
import type { Claims } from '../../../tokens/mod.ts';
import type { ReplayFile } from '../../../tokens/replay-file.ts';
import { printable } from '../../text/printable.ts';
import { isSet, textOption, type VerbAction, type VerbContext } from '../../verb.ts';
import { claimLines } from './inspect.ts';
import { needed, parsedJson, readText, tokenOperand } from './sources.ts';

interface Checked {
  readonly claims: Claims;
  /** Whether somebody proved to have the key it is bound to. */
  readonly proven: boolean;
}

async function check(context: VerbContext): Promise<Checked> {
  const token = await tokenOperand(context.operands);
  const jwks = parsedJson(await readText(needed(context, 'jwks', 'jwks.json')), '--jwks');
  const [issuer, audience] = [
    needed(context, 'issuer', 'urn:uuid:…'),
    needed(context, 'audience', 'https://api.example'),
  ];
  const status = textOption(context, 'status');
  const list = status === undefined ? undefined : await readText(status);
  const proof = textOption(context, 'proof');
  const replay = textOption(context, 'replay');
  const options = { jwks, issuer, audience, now: () => context.now };
  if (proof === undefined && !isSet(context, 'bearer')) {
    if (replay !== undefined)
      throw new CordonError('config-invalid', '--replay remembers requests, and none is shown', {
        fix: 'give --proof, --method and --url; or --bearer, --method and --url',
      });
    const keys = keySource(jwks, options.now);
    const claims = await readToken(token, keys);
    checkStanding(claims, options);
    const revoked =
      list !== undefined &&
      (await readStatusList(list, keys, issuer, context.now)).isRevoked(claims.status.idx);
    if (revoked) throw new TokenRefused('revoked', 'the token was revoked');
    return { claims, proven: false };
  }
  const presented = {
    authorization: `${proof === undefined ? 'Bearer' : 'DPoP'} ${token}`,
    dpop: proof,
    method: needed(context, 'method', 'POST'),
    url: needed(context, 'url', 'https://api.example/v1/messages'),
  };
  const seen = replay === undefined ? undefined : await rememberedIn(replay);
  try {
    const claims = await createTokenVerifier({
      ...options,
      bearer: isSet(context, 'bearer'),
      ...(list === undefined ? {} : { statusList: () => list }),
      ...(seen === undefined ? {} : { replay: seen }),
    }).verify(presented);
    return { claims, proven: proof !== undefined };
  } finally {
    seen?.close();
  }
}

/** Loaded when it is asked for: the database is native code. */
const rememberedIn = async (file: string): Promise<ReplayFile> =>
  (await import('../../../tokens/replay-file.ts')).fileReplay(file);

export const tokenVerify: VerbAction = async (context) => {
  const { json, out } = context;
  try {
    const { claims, proven } = await check(context);
    const note = proven
      ? []
      : ['', 'That its holder has the key was not checked: --proof, --method and --url do that.'];
    if (json) out(JSON.stringify({ ok: true, proven, claims }));
    else out('The token holds.', ...claimLines(claims), ...note);
    return 0;
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    if (json) out(JSON.stringify({ ok: false, why: error.why, reason: error.message }));
    else out(`Refused (${error.why}): ${printable(error.message)}`);
    return 1;
  }
};
