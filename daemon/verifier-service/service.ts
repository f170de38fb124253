// The verifier's protocol: what is asked, what is answered. daemon/docs/ATTESTATION.md has it in words.
import { randomBytes, randomUUID } from 'node:crypto';
import { challengeText, Fields, maxEvidence, parsed, readEnrolment, readEvidence } from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';
import { nameOf, readKey } from '../../native-bindings/tpm/wire/mod.ts';
import { challenge, enrolmentToken, resultToken, verifyEvidence } from '../verifier/mod.ts';
import type { Anchors, Expectations, SigningKey, Verdict } from '../verifier/mod.ts';
import type { MintingParts } from './exchange.ts';
import type { Endpoint, Store } from './store.ts';
import { serveTokenRequest } from './token-routes.ts';
import type { RequestHeaders } from './token-routes.ts';

export interface ServiceParts {
  readonly store: Store;
  readonly key: SigningKey;
  readonly anchors: Anchors;
  readonly expectations: Expectations;
  /** Seconds that a result counts. */
  readonly lifetime: number;
  /** Undefined: it mints no capability tokens. */
  readonly minting?: MintingParts;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Of the body; JSON when not given. */
  readonly type?: string;
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
  if (enrolled !== undefined && store.book.isBlocked(enrolled.ak))
    return refusal(403, 'not-permitted', 'this machine is no longer wanted here');
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
    const ak = nameOf(readKey(readEvidence(evidence).ak)).toString('hex');
    return store.book.isBlocked(ak) ? undefined : store.endpoint(ak);
  } catch {
    return undefined;
  }
}

/** Whoever is not wanted any more is not trusted by his key’s Name either. */
const wanted = ({ book }: Store, { pinned, ...others }: Expectations): Expectations => ({
  ...others,
  pinned: new Map([...pinned].filter(([ak]) => !book.isBlocked(ak))),
});

/** What tokens rest on: the last that the endpoint itself proved, for good or ill. */
function keepVerdict({ book }: Store, verdict: Verdict, now: number): void {
  const { accepted, authentic, ak, tpm, statement, tokenKeys } = verdict;
  if (accepted && statement !== undefined && tpm !== 'none' && !book.isBlocked(ak))
    book.accept({
      ...{ ak, at: now, tpm, killEpoch: statement.killEpoch },
      sessions: statement.sessions.map(({ id, policy }) => ({ id, policy })),
      keys: tokenKeys.filter(({ crv }) => crv === 'P-256'),
    });
  else if (authentic) book.withdraw(ak, 'the verifier refused its machine', now);
}

const verify: Route = async ({ store, key, expectations, lifetime, minting, now }, body) => {
  const fields = new Fields('request', parsed('request', body));
  const [given, evidence] = [fields.hex('nonce'), fields.text('evidence', maxEvidence)];
  fields.end();
  if (!store.takeNonce(given, now()))
    return refusal(403, 'not-permitted', 'that nonce was not given out here, is too old, or was used before');
  const known = endpointOf(store, evidence);
  const verdict = verifyEvidence({
    evidence,
    nonce: given,
    expectations: wanted(store, expectations),
    ...(known?.enrolled === undefined ? {} : { enrolled: known.enrolled }),
    ...(known?.memory === undefined ? {} : { memory: known.memory }),
  });
  if (verdict.memory !== undefined) store.remember(verdict.ak, verdict.memory);
  keepVerdict(store, verdict, now());
  const result = await resultToken(verdict, { key, nonce: given, now: Math.floor(now() / 1000), lifetime });
  return answer({ accepted: verdict.accepted, checks: verdict.checks, result, mints: minting !== undefined });
};

const routes: Readonly<Record<string, Route>> = {
  'GET /v1/keys': keys,
  'POST /v1/enrol': begin,
  'POST /v1/activate': complete,
  'POST /v1/nonce': nonce,
  'POST /v1/verify': verify,
};

function routeOf(
  parts: ServiceParts,
  name: string,
  body: string,
  headers: RequestHeaders,
): Promise<Answer> | Answer {
  const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
  return route === undefined ? tokenAnswer(parts, name, body, headers) : route(parts, body);
}

async function tokenAnswer(
  { minting, store, key, expectations, now }: ServiceParts,
  name: string,
  body: string,
  headers: RequestHeaders,
): Promise<Answer> {
  const { minimumKillEpoch } = expectations;
  const facts = { book: store.book, verifier: key.issuer, minimumKillEpoch, now };
  const answered =
    minting === undefined
      ? undefined
      : await serveTokenRequest({ ...minting, ...facts }, name, body, headers);
  return answered ?? refusal(404, 'not-found', 'there is no such request');
}

/** Never rejects: whatever is wrong with a request is its answer. */
export async function serveRequest(
  parts: ServiceParts,
  method: string,
  path: string,
  body: string,
  headers: RequestHeaders = {},
): Promise<Answer> {
  try {
    return await routeOf(parts, `${method} ${path}`, body, headers);
  } catch (error) {
    if (!(error instanceof CordonError) && !(error instanceof Error && error.name === 'TpmWireError'))
      return refusal(500, 'internal', 'the verifier failed');
    const code = error instanceof CordonError ? error.code : 'protocol';
    return refusal(code === 'not-permitted' ? 403 : code === 'limit' ? 429 : 400, code, error.message);
  }
}
