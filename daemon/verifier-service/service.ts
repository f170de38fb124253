// The verifier's protocol: what is asked, what is answered. daemon/docs/ATTESTATION.md has it in words.
import { randomBytes, randomUUID } from 'node:crypto';
import { challengeText, Fields, maxEvidence, parsed, readEnrolment, readEvidence } from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';
import { nameOf, readKey } from '../../native-bindings/tpm/wire/mod.ts';
import { challenge, enrolmentToken, resultToken, verifyEvidence } from '../verifier/mod.ts';
import type { Anchors, Expectations, SigningKey } from '../verifier/mod.ts';
import type { Endpoint, Store } from './store.ts';

export interface ServiceParts {
  readonly store: Store;
  readonly key: SigningKey;
  readonly anchors: Anchors;
  readonly expectations: Expectations;
  /** Seconds that a result counts. */
  readonly lifetime: number;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface Answer {
  readonly status: number;
  /** JSON. */
  readonly body: string;
}

const answer = (value: object, status = 200): Answer => ({ status, body: JSON.stringify(value) });
const refusal = (status: number, code: string, message: string): Answer =>
  answer({ error: { code, message } }, status);

/** Bytes of a request. */
export const maxRequest = maxEvidence + 16 * 1024;
const nonceSize = 32;

type Route = (parts: ServiceParts, body: string) => Promise<Answer> | Answer;

const keys: Route = ({ key }) => {
  const { kty, crv, x, alg, kid } = key.jwk;
  return answer({ keys: [{ kty, crv, x, alg, kid }] });
};

const begin: Route = ({ store, anchors, now }, body) => {
  const { enrolled, credential, secret } = challenge(readEnrolment(body), anchors, now());
  const id = randomUUID();
  store.addEnrolment(id, secret, enrolled, now());
  return { status: 200, body: challengeText({ id, ...credential }) };
};

const complete: Route = async ({ store, key, now }, body) => {
  const fields = new Fields('request', parsed('request', body));
  const [id, secret] = [fields.text('id', 64), Buffer.from(fields.hex('secret'), 'hex')];
  fields.end();
  const enrolled = store.takeEnrolment(id, secret, now());
  if (enrolled === undefined)
    return refusal(
      403,
      'not-permitted',
      'that is not the secret: the keys are not in one TPM, or it took too long',
    );
  store.enrol(enrolled, now());
  const token = await enrolmentToken(enrolled, key, Math.floor(now() / 1000));
  return answer({ enrolment: token, ak: enrolled.ak, tpm: enrolled.tpm });
};

const nonce: Route = ({ store, now }) => {
  const value = randomBytes(nonceSize).toString('hex');
  store.addNonce(value, now());
  return answer({ nonce: value });
};

/** Undefined for what is no evidence: the verdict says so. */
function endpointOf(store: Store, evidence: string): Endpoint | undefined {
  try {
    return store.endpoint(nameOf(readKey(readEvidence(evidence).ak)).toString('hex'));
  } catch {
    return undefined;
  }
}

const verify: Route = async ({ store, key, expectations, lifetime, now }, body) => {
  const fields = new Fields('request', parsed('request', body));
  const [given, evidence] = [fields.hex('nonce'), fields.text('evidence', maxEvidence)];
  fields.end();
  if (!store.takeNonce(given, now()))
    return refusal(403, 'not-permitted', 'that nonce was not given out here, is too old, or was used before');
  const known = endpointOf(store, evidence);
  const verdict = verifyEvidence({
    evidence,
    nonce: given,
    expectations,
    ...(known === undefined ? {} : { enrolled: known.enrolled }),
    ...(known?.memory === undefined ? {} : { memory: known.memory }),
  });
  if (verdict.memory !== undefined) store.remember(verdict.ak, verdict.memory);
  const result = await resultToken(verdict, { key, nonce: given, now: Math.floor(now() / 1000), lifetime });
  return answer({ accepted: verdict.accepted, checks: verdict.checks, result });
};

const routes: Readonly<Record<string, Route>> = {
  'GET /v1/keys': keys,
  'POST /v1/enrol': begin,
  'POST /v1/activate': complete,
  'POST /v1/nonce': nonce,
  'POST /v1/verify': verify,
};

/** Never rejects: whatever is wrong with a request is its answer. */
export async function serveRequest(
  parts: ServiceParts,
  method: string,
  path: string,
  body: string,
): Promise<Answer> {
  const name = `${method} ${path}`;
  const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
  if (route === undefined) return refusal(404, 'not-found', 'there is no such request');
  try {
    return await route(parts, body);
  } catch (error) {
    if (!(error instanceof CordonError) && !(error instanceof Error && error.name === 'TpmWireError'))
      return refusal(500, 'internal', 'the verifier failed');
    const code = error instanceof CordonError ? error.code : 'protocol';
    return refusal(code === 'not-permitted' ? 403 : code === 'limit' ? 429 : 400, code, error.message);
  }
}
