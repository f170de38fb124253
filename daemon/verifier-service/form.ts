// The body of a token exchange (RFC 8693 section 2.1), read strictly: every parameter is known, none comes twice.
import { maxLifetime, maxToken, maxUses, TokenRefused, detailsOf } from '../tokens/mod.ts';
import type { Detail } from '../tokens/mod.ts';

export const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const jwtType = 'urn:ietf:params:oauth:token-type:jwt';
export const formType = 'application/x-www-form-urlencoded';

/** Characters of a whole body: a token, a status list, and what is asked for. */
export const maxForm = 96 * 1024;
const maxList = 64 * 1024;

export interface ExchangeForm {
  /** The endpoint's own token. */
  readonly subjectToken: string;
  /** The endpoint's own status list, as it is now. */
  readonly statusList: string;
  /** Not given: as in the endpoint's token. */
  readonly audience?: string;
  readonly details?: readonly Detail[];
  /** Seconds. */
  readonly lifetime?: number;
  readonly uses?: number;
  readonly purpose?: string;
}

const known: ReadonlySet<string> = new Set([
  ...['grant_type', 'subject_token', 'subject_token_type', 'requested_token_type', 'subject_status_list'],
  ...['audience', 'authorization_details', 'expires_in', 'uses', 'purpose'],
]);

const wrong = (message: string): TokenRefused => new TokenRefused('schema', message);

function parametersOf(body: string): ReadonlyMap<string, string> {
  if (body.length > maxForm) throw wrong(`the request is longer than ${maxForm} characters`);
  const found = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(body)) {
    if (!known.has(name))
      throw wrong(`the request has an unknown parameter ${JSON.stringify(name.slice(0, 40))}`);
    if (found.has(name)) throw wrong(`${name} is given twice`);
    found.set(name, value);
  }
  return found;
}

function textIn(from: ReadonlyMap<string, string>, name: string, max: number): string {
  const value = from.get(name) ?? '';
  if (value === '' || value.length > max || /\p{Cc}/u.test(value))
    throw wrong(`${name} is not a text of at most ${max} characters`);
  return value;
}

function countIn(from: ReadonlyMap<string, string>, name: string, max: number): number {
  const value = textIn(from, name, 10);
  const count = /^[1-9]\d*$/.test(value) ? Number(value) : 0;
  if (count < 1 || count > max) throw wrong(`${name} is not a whole number from 1 to ${max}`);
  return count;
}

function detailsIn(from: ReadonlyMap<string, string>): readonly Detail[] {
  try {
    return detailsOf(JSON.parse(textIn(from, 'authorization_details', maxForm)));
  } catch (error) {
    if (error instanceof SyntaxError) throw wrong('authorization_details is not JSON');
    throw error;
  }
}

function oneIn(from: ReadonlyMap<string, string>, name: string, value: string): void {
  if (from.get(name) !== value) throw wrong(`${name} is not ${value}`);
}

/** Throws TokenRefused. */
export function readForm(body: string): ExchangeForm {
  const from = parametersOf(body);
  oneIn(from, 'grant_type', exchangeGrant);
  oneIn(from, 'subject_token_type', jwtType);
  if (from.has('requested_token_type')) oneIn(from, 'requested_token_type', jwtType);
  return {
    subjectToken: textIn(from, 'subject_token', maxToken),
    statusList: textIn(from, 'subject_status_list', maxList),
    ...(from.has('audience') ? { audience: textIn(from, 'audience', 512) } : {}),
    ...(from.has('authorization_details') ? { details: detailsIn(from) } : {}),
    ...(from.has('expires_in') ? { lifetime: countIn(from, 'expires_in', maxLifetime) } : {}),
    ...(from.has('uses') ? { uses: countIn(from, 'uses', maxUses) } : {}),
    ...(from.has('purpose') ? { purpose: textIn(from, 'purpose', 200) } : {}),
  };
}
