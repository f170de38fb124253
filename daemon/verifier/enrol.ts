// Enrolment, the verifier's side: whose TPM it is, then a secret that only a TPM with both keys can read.
import { createHash, randomBytes } from 'node:crypto';
import {
  counterNameOf,
  isCounter,
  makeCredential,
  nameOf,
  readKey,
  readNvPublic,
} from '../../native-bindings/tpm/wire/mod.ts';
import type { Credential } from '../../native-bindings/tpm/wire/mod.ts';
import type { EnrolmentRequest } from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';
import type { TpmKind } from '../model/mod.ts';
import { ekCertificate } from './chain.ts';
import type { Anchors } from './chain.ts';
import { attestationKeyProblem, endorsementKeyProblem, sameKey } from './keys.ts';

/** What the verifier knows of an endpoint from its enrolment on. */
export interface Enrolled {
  /** Name of the attestation key: lowercase hexadecimal. Names the endpoint. */
  readonly ak: string;
  /** SHA-256 of the endorsement key's public area. */
  readonly ek: string;
  readonly tpm: Exclude<TpmKind, 'none'>;
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  /** Name of the rollback counter; empty: it has none. */
  readonly counter: string;
}

export interface Challenge {
  readonly enrolled: Enrolled;
  readonly credential: Credential;
  /** What the endpoint must give back. */
  readonly secret: Buffer;
}

const refused = (what: string): CordonError => new CordonError('not-permitted', what);
const secretSize = 32;
/** TCG's vendor id of software emulators (IBM's, which swtpm also uses). */
const emulator = 'id:00001014';

function counterOf(area: Buffer | undefined): string {
  if (area === undefined) return '';
  const index = readNvPublic(area);
  if (!isCounter(index)) throw refused('the rollback counter is no counter');
  return counterNameOf(index).toString('hex');
}

/** Throws CordonError with the reason when the endpoint is not to be enrolled. */
export function challenge(request: EnrolmentRequest, anchors: Anchors, now: number): Challenge {
  const ek = readKey(request.ek);
  const ak = readKey(request.ak);
  const problem = endorsementKeyProblem(ek) ?? attestationKeyProblem(ak);
  if (problem !== undefined) throw refused(problem);
  const facts = ekCertificate(request.certificates, anchors, now);
  if (!sameKey(request.ek, facts.certificate.publicKey.export({ type: 'spki', format: 'der' })))
    throw refused('the certificate is for another endorsement key');
  const secret = randomBytes(secretSize);
  const name = nameOf(ak);
  return {
    secret,
    credential: makeCredential(ek, name, secret),
    enrolled: {
      ak: name.toString('hex'),
      ek: createHash('sha256').update(request.ek).digest('hex'),
      tpm: facts.manufacturer === emulator ? 'software' : facts.kind,
      manufacturer: facts.manufacturer,
      model: facts.model,
      firmware: facts.firmware,
      counter: counterOf(request.counter),
    },
  };
}
