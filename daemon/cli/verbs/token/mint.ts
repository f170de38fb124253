// `cordon token mint`: for a running session of one's own, bound to a key that is kept in a file. With --exchange that token
// is given to a verifier, which mints the one that comes out.
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { CordonError } from '../../../model/mod.ts';
import { claimsOf } from '../../../tokens/mod.ts';
import { exchangeGrant, formType, jwtType, tokenPath } from '../../../verifier-service/mod.ts';
import { proofKeyOf, type ProofKey } from '../../../wire/mod.ts';
import { field, verifierOf } from '../../attest/verifier-client.ts';
import type { VerifierClient } from '../../attest/verifier-client.ts';
import { withProgress } from '../../progress.ts';
import { clockText } from '../../text/time.ts';
import { textOption, type VerbAction, type VerbContext } from '../../verb.ts';
import { needed, parsedJson } from './sources.ts';

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

function secondsOf(text: string): number {
  const match = /^(\d{1,4})([smh])$/.exec(text);
  if (match) return Number(match[1]) * (units[match[2] ?? 's'] ?? 1);
  throw new CordonError('config-invalid', `--lifetime ${text} is not a span`, {
    fix: 'such as 60s, 5m or 1h',
  });
}

function usesOf(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new CordonError('config-invalid', `--uses ${text} is not a number from 1 to 1000000`);
}

/** An EC P-256 key in PEM. Made when the file is not there, readable by its owner only. */
export function keyIn(file: string): ProofKey {
  try {
    return proofKeyOf(createPrivateKey(readFileSync(file)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new CordonError('config-invalid', `${file} is not a private key of P-256 in PEM`, { file });
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
  return proofKeyOf(privateKey);
}

function wishFrom(context: VerbContext, jkt: string): object {
  const detail = parsedJson(needed(context, 'detail', `'{"type":"tool.call","tool":"search"}'`), '--detail');
  const [lifetime, uses, purpose] = ['lifetime', 'uses', 'purpose'].map((name) => textOption(context, name));
  return {
    audience: needed(context, 'audience', 'https://api.example'),
    authorization_details: Array.isArray(detail) ? (detail as unknown[]) : [detail],
    ...(lifetime === undefined ? {} : { expires_in: secondsOf(lifetime) }),
    ...(uses === undefined ? {} : { uses: usesOf(uses) }),
    ...(purpose === undefined ? {} : { purpose }),
    jkt,
  };
}

interface Token {
  readonly token: string;
  readonly jti: string;
  /** Unix milliseconds. */
  readonly expires: number;
}

/** RFC 8693. The status list says that the token still counts on this machine. */
async function exchanged(
  { daemon }: VerbContext,
  { token }: Token,
  key: ProofKey,
  verifier: VerifierClient,
): Promise<Token> {
  const { statusList } = await daemon.ask('tokenKeys', {}, 'tokenKeysAnswer');
  const form = new URLSearchParams({
    grant_type: exchangeGrant,
    subject_token: token,
    subject_token_type: jwtType,
    subject_status_list: statusList,
  });
  const dpop = key.prove({ method: 'POST', url: verifier.url + tokenPath, token, now: Date.now() });
  const fields = { 'content-type': formType, dpop };
  const made = field(await verifier.post(tokenPath, form.toString(), fields), 'access_token');
  const payload = Buffer.from(made.split('.')[1] ?? '', 'base64url').toString('utf8');
  const { jti, exp } = claimsOf(parsedJson(payload, 'the verifier’s token'));
  return { token: made, jti, expires: exp * 1000 };
}

export const tokenMint: VerbAction = async (context) => {
  const session = needed(context, 'session', 'abcd1234');
  const verifier = verifierOf(context, 'exchange');
  const named = textOption(context, 'jkt');
  if (verifier !== undefined && named !== undefined)
    throw new CordonError('config-invalid', 'a token is exchanged by who has its key', {
      fix: '--key FILE instead of --jkt',
    });
  const key = named === undefined ? keyIn(needed(context, 'key', 'session-key.pem')) : undefined;
  const jkt = named ?? key?.thumbprint ?? '';
  const wish = JSON.stringify(wishFrom(context, jkt));
  const own = await context.daemon.ask('tokenMint', { session, wish }, 'mintTokenAnswer');
  const { token, jti, expires } =
    verifier === undefined || key === undefined
      ? own
      : await withProgress('exchanging the token', exchanged(context, own, key, verifier));
  if (context.json) context.out(JSON.stringify({ token, jti, expires, jkt }));
  else {
    context.out(token);
    process.stderr.write(`token ${jti}, until ${clockText(expires)}, bound to key ${jkt}\n`);
  }
  return 0;
};
