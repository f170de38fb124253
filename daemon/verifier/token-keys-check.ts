// The check of the keys that sign tokens: that the attestation key vouches for each of them now, as a key that was made in
// the same TPM and cannot leave it.
import { isGenerated, nameOf, OBJECT, readAttest, readKey } from '../../native-bindings/tpm/wire/mod.ts';
import type { KeyPublic } from '../../native-bindings/tpm/wire/mod.ts';
import { statementDigest, tokenJwk } from '../evidence/mod.ts';
import type { EcJwk, Evidence, TokenKeyEvidence } from '../evidence/mod.ts';
import { absent, failed, passed } from './checks.ts';
import type { Check } from './checks.ts';
import type { Expectations } from './expectations.ts';
import { isSigned } from './quote-checks.ts';

export interface TokenKeysContext {
  readonly evidence: Evidence;
  readonly expectations: Expectations;
}

const bound = OBJECT.fixedTPM | OBJECT.fixedParent | OBJECT.sensitiveDataOrigin | OBJECT.sign;

function attributesProblem({ type, attributes }: KeyPublic): string | undefined {
  if (type !== 'ecc') return 'a token key is none of an elliptic curve';
  if ((attributes & bound) !== bound) return 'a token key was not made in the TPM, or can leave it';
  // Of such a one nobody could have signatures over tokens.
  const other = OBJECT.restricted | OBJECT.decrypt;
  return (attributes & other) === 0 ? undefined : 'a token key is for something else';
}

function problemOf(evidence: Evidence, tokenKey: TokenKeyEvidence): string | undefined {
  const attest = readAttest(tokenKey.attest);
  if (attest.type !== 'certify' || !isGenerated(attest)) return 'what was certified is no key';
  if (!isSigned(readKey(evidence.ak), tokenKey)) return 'the attestation key did not certify a token key';
  if (!attest.extraData.equals(statementDigest(evidence.statement)))
    return 'a token key was certified for another statement';
  const key = readKey(tokenKey.publicArea);
  return attest.name.equals(nameOf(key)) ? attributesProblem(key) : 'another key was certified';
}

/** Throws for what cannot be read. */
export function tokenKeysCheck({ evidence, expectations }: TokenKeysContext): Check {
  const { tokenKeys = [] } = evidence;
  const none = 'no token key is shown to be in the TPM';
  if (tokenKeys.length === 0)
    return expectations.requireTokenKeys ? failed('token-keys', none) : absent('token-keys', none);
  for (const each of tokenKeys) {
    const problem = problemOf(evidence, each);
    if (problem !== undefined) return failed('token-keys', problem);
  }
  return passed(
    'token-keys',
    `in this TPM: ${tokenJwks(evidence)
      .map(({ kid }) => kid)
      .join(', ')}`,
  );
}

/** Of evidence that passed the check. */
export const tokenJwks = ({ tokenKeys = [] }: Evidence): EcJwk[] =>
  tokenKeys.map(({ publicArea }) => tokenJwk(publicArea));
