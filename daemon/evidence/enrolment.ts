// What endpoint and verifier say to each other once: whose TPM it is, and that the attestation key lives in it.
import { base64, Fields, malformed, parsed } from './json.ts';

export interface EnrolmentRequest {
  readonly type: 'cordon-enrolment/1';
  /** TPMT_PUBLIC of the endorsement key and of the attestation key. */
  readonly ek: Buffer;
  readonly ak: Buffer;
  /** DER: the EK's certificate first, then its issuers as far as the endpoint has them. */
  readonly certificates: readonly Buffer[];
  /** TPMS_NV_PUBLIC of the rollback counter, once it is written. */
  readonly counter?: Buffer;
}

export interface CredentialChallenge {
  /** The verifier's own reference. */
  readonly id: string;
  readonly idObject: Buffer;
  readonly encryptedSecret: Buffer;
}

const maxCertificate = 8192;
const maxCertificates = 6;
export const maxEnrolment = 128 * 1024;

export const enrolmentText = (request: EnrolmentRequest): string =>
  JSON.stringify({
    type: request.type,
    ek: request.ek.toString('base64'),
    ak: request.ak.toString('base64'),
    certificates: request.certificates.map((der) => der.toString('base64')),
    ...(request.counter === undefined ? {} : { counter: request.counter.toString('base64') }),
  });

export function readEnrolment(text: string): EnrolmentRequest {
  if (text.length > maxEnrolment) throw malformed('enrolment', `is over ${maxEnrolment} bytes`);
  const fields = new Fields('enrolment', parsed('enrolment', text));
  const certificate = (where: string, value: unknown): Buffer => base64(where, value, maxCertificate);
  const result: EnrolmentRequest = {
    type: fields.one('type', ['cordon-enrolment/1']),
    ek: fields.bytes('ek'),
    ak: fields.bytes('ak'),
    certificates: fields.list('certificates', maxCertificates, certificate),
    ...(fields.has('counter') ? { counter: fields.bytes('counter') } : {}),
  };
  fields.end();
  return result;
}

export const challengeText = ({ id, idObject, encryptedSecret }: CredentialChallenge): string =>
  JSON.stringify({
    id,
    idObject: idObject.toString('base64'),
    encryptedSecret: encryptedSecret.toString('base64'),
  });

export function readChallenge(text: string): CredentialChallenge {
  const fields = new Fields('challenge', parsed('challenge', text));
  const result = {
    id: fields.text('id', 128),
    idObject: fields.bytes('idObject'),
    encryptedSecret: fields.bytes('encryptedSecret'),
  };
  fields.end();
  return result;
}
