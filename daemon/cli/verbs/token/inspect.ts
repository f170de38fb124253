// `cordon token inspect`: what a token says. Nothing is checked, and that is said.
import { CordonError } from '../../../model/mod.ts';
import { claimsOf, detailText, headerOf, maxToken, type Claims } from '../../../tokens/mod.ts';
import { printable } from '../../text/printable.ts';
import { clockText } from '../../text/time.ts';
import type { VerbAction } from '../../verb.ts';
import { parsedJson, tokenOperand } from './sources.ts';

/** For people, a fact a line. */
export function claimLines(claims: Claims): string[] {
  const { subject, policy, attestation, lineage, jkt, purpose, uses } = claims;
  const version = subject.agent.version === undefined ? '' : ` ${subject.agent.version}`;
  const facts: readonly (readonly [string, string])[] = [
    ['token', claims.jti],
    ['issuer', claims.iss],
    ['audience', claims.aud],
    ['session', `${subject.session}, ${subject.user}, ${subject.agent.name}${version}`],
    ['valid', `${clockText(claims.nbf * 1000)} to ${clockText(claims.exp * 1000)}`],
    ['key', jkt ?? 'none: a bearer token'],
    ['uses', String(uses)],
    ...(purpose === undefined ? [] : [['purpose', purpose] as const]),
    ['policy', `${policy.profile} version ${policy.version}, ${policy.digest.slice(0, 16)}`],
    ['attestation', `${attestation.verdict}, TPM ${attestation.tpm}`],
    ...(lineage.length === 0 ? [] : [['made from', lineage.map(({ jti }) => jti).join(' ← ')] as const]),
    ...claims.details.map((detail) => ['permits', detailText(detail)] as const),
  ];
  return facts.map(([name, value]) => `${name.padEnd(12)} ${printable(value)}`);
}

export const tokenInspect: VerbAction = async ({ operands, json, out }) => {
  const token = await tokenOperand(operands);
  const header = Object.fromEntries(headerOf(token, maxToken, ['typ', 'alg', 'kid']));
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
  const claims = claimsOf(parsedJson(payload, 'the payload'));
  if (header['typ'] === undefined) throw new CordonError('config-invalid', 'the token has no type');
  if (json) out(JSON.stringify({ verified: false, header, claims: parsedJson(payload, 'the payload') }));
  else out(...claimLines(claims), '', 'Not verified: cordon token verify --jwks FILE does that.');
  return 0;
};
