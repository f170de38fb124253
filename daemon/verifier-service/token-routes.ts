// The part of the verifier's protocol that is about tokens: OAuth's words for it (RFC 6749, 8414, 8693, 9449).
import { Fields, parsed } from '../evidence/mod.ts';
import { detailJson, jwksOf, signStatusList, TokenRefused } from '../tokens/mod.ts';
import type { RefusalReason } from '../tokens/mod.ts';
import { applyList, exchange, statusPath, tokenPath } from './exchange.ts';
import type { ExchangeParts } from './exchange.ts';
import { exchangeGrant, formType, jwtType, maxForm } from './form.ts';
import type { Answer } from './service.ts';

/** Of a request, what is looked at beside its body. */
export interface RequestHeaders {
  readonly contentType?: string | undefined;
  readonly dpop?: string | undefined;
}

type TokenRoute = (parts: ExchangeParts, body: string, headers: RequestHeaders) => Promise<Answer> | Answer;

const keysPath = '/v1/token-keys';
const answer = (value: object, status = 200): Answer => ({ status, body: JSON.stringify(value) });

/** Seconds that a copy of the list may be used, and after which it is worth nothing. */
const listTtl = 60;
const listLifetime = 3600;

const codes: Partial<Readonly<Record<RefusalReason, string>>> = {
  schema: 'invalid_request',
  proof: 'invalid_dpop_proof',
  replayed: 'invalid_dpop_proof',
  stolen: 'invalid_dpop_proof',
  audience: 'invalid_target',
  widened: 'invalid_authorization_details',
  'beyond-policy': 'invalid_authorization_details',
  unavailable: 'temporarily_unavailable',
  rate: 'slow_down',
};

const refused = (why: RefusalReason, message: string): Answer => {
  const value = { error: codes[why] ?? 'invalid_grant', error_description: message, why };
  return answer(value, why === 'rate' ? 429 : why === 'unavailable' ? 503 : 400);
};

const token: TokenRoute = async (parts, body, { contentType = '', dpop = '' }) => {
  if (contentType.split(';')[0]?.trim().toLowerCase() !== formType)
    return refused('schema', `the request is not ${formType}`);
  const { token: text, claims } = await exchange(parts, body, dpop);
  return answer({
    access_token: text,
    issued_token_type: jwtType,
    token_type: 'DPoP',
    expires_in: claims.exp - claims.iat,
    authorization_details: claims.details.map(detailJson),
  });
};

const revocations: TokenRoute = async (parts, body) => {
  const fields = new Fields('request', parsed('request', body));
  const list = fields.text('statusList', maxForm);
  fields.end();
  await applyList(parts, list);
  return answer({});
};

/** A new key every 30 days, published an hour before it signs. */
async function keySet({ ring, now }: ExchangeParts): Promise<Answer> {
  if (ring.isDue(now())) await ring.rotate(now(), false);
  return answer(jwksOf(ring.published(now())));
}

const status: TokenRoute = async ({ ring, book, url, now }) => {
  const facts = { issuer: url, uri: url + statusPath, now: now(), ttl: listTtl, lifetime: listLifetime };
  const body = await signStatusList(ring.signing(now()), book.revokedPlaces(), facts);
  return { status: 200, body, type: 'application/statuslist+jwt' };
};

/** RFC 8414: where everything is, for clients that know nothing of Cordon. */
const metadata: TokenRoute = ({ url }) =>
  answer({
    issuer: url,
    token_endpoint: url + tokenPath,
    jwks_uri: url + keysPath,
    response_types_supported: [],
    grant_types_supported: [exchangeGrant],
    token_endpoint_auth_methods_supported: ['none'],
    dpop_signing_alg_values_supported: ['ES256', 'EdDSA'],
    authorization_details_types_supported: ['http', 'file.upload', 'db.row', 'tool.call', 'exec'],
  });

const routes: Readonly<Record<string, TokenRoute>> = {
  'GET /.well-known/oauth-authorization-server': metadata,
  [`GET ${keysPath}`]: keySet,
  [`GET ${statusPath}`]: status,
  [`POST ${tokenPath}`]: token,
  'POST /v1/token-revocations': revocations,
};

/** Undefined: no request of this part. Whatever is wrong with a token is its answer, and on record. */
export async function serveTokenRequest(
  parts: ExchangeParts,
  name: string,
  body: string,
  headers: RequestHeaders,
): Promise<Answer | undefined> {
  const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
  if (route === undefined) return undefined;
  if (body.length > maxForm) return answer({ error: 'invalid_request', error_description: 'too large' }, 413);
  try {
    return await route(parts, body, headers);
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    const { why, message } = error;
    parts.book.record({ time: parts.now(), act: 'refuse', ak: '', jti: '', reason: `${why}: ${message}` });
    return refused(why, message);
  }
}
