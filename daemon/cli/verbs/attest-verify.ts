// `cordon attest verify`: a verifier without a service and without a memory. Needs no daemon, no TPM, no network.
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkLines } from '../attest/check-lines.ts';
import { readText } from '../attest/files.ts';
import { CordonError } from '../../model/mod.ts';
import {
  noExpectations,
  readEnrolmentToken,
  readExpectations,
  resultToken,
  verifyEvidence,
} from '../../verifier/mod.ts';
import type { Enrolled, SigningKey } from '../../verifier/mod.ts';
import { readEvidence } from '../../evidence/mod.ts';
import { textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

/** Seconds. */
const lifetime = 15 * 60;

function evidenceOf({ operands }: VerbContext): string {
  const [place = ''] = operands;
  const path = existsSync(place) && statSync(place).isDirectory() ? join(place, 'evidence.json') : place;
  return readText(path, 'the evidence');
}

function needed(context: VerbContext, name: string): string {
  const value = textOption(context, name);
  if (value !== undefined) return value;
  throw new CordonError('config-invalid', `--${name} is missing`, {
    fix: 'cordon attest verify FILE --nonce HEX [--reference FILE] [--key FILE]',
  });
}

type Jwk = SigningKey['jwk'];
const keyAt = (path: string): Jwk => JSON.parse(readText(path, 'the key')) as Jwk;

/** The verifier's own word on this key, when it comes with the evidence and the key that signed it is known. */
async function enrolledIn(evidence: string, key: Jwk | undefined): Promise<Enrolled | undefined> {
  if (key === undefined) return undefined;
  try {
    const { enrolment } = readEvidence(evidence);
    return enrolment === undefined ? undefined : await readEnrolmentToken(enrolment, key);
  } catch {
    // The verdict says what is wrong with the evidence, and that the key is not enrolled.
    return undefined;
  }
}

export const attestVerify: VerbAction = async (context) => {
  const evidence = evidenceOf(context);
  const nonce = needed(context, 'nonce').toLowerCase();
  const reference = textOption(context, 'reference');
  const keyFile = textOption(context, 'key');
  const key = keyFile === undefined ? undefined : keyAt(keyFile);
  const enrolled = await enrolledIn(evidence, key);
  const verdict = verifyEvidence({
    evidence,
    nonce,
    expectations:
      reference === undefined
        ? noExpectations
        : readExpectations(readText(reference, 'the reference values')),
    ...(enrolled === undefined ? {} : { enrolled }),
  });
  const out = textOption(context, 'out');
  if (out !== undefined) {
    if (key?.d === undefined)
      throw new CordonError('config-invalid', 'a result is signed: --key names a private key (JWK)');
    const options = {
      key: { jwk: key, issuer: 'cordon attest verify' },
      nonce,
      now: Math.floor(context.now / 1000),
      lifetime,
    };
    writeFileSync(out, await resultToken(verdict, options));
  }
  const { accepted, checks, ak, tpm } = verdict;
  if (context.json) context.out(JSON.stringify({ accepted, ak, tpm, checks }));
  else context.out(...checkLines(checks, context), accepted ? `accepted: ${tpm} TPM` : 'REFUSED');
  return accepted ? 0 : 1;
};
