// What somebody asks a token to be. Hostile: it comes from the agent.
import { defaultLifetime, maxLifetime, maxUses } from './claims.ts';
import { detailsOf } from './details.ts';
import type { Detail } from './details.ts';
import { fieldsOf, integerOf, textOf } from './fields.ts';
import { TokenRefused } from './refusal.ts';

export interface Wish {
  readonly audience: string;
  readonly details: readonly Detail[];
  /** Seconds. */
  readonly lifetime: number;
  readonly uses: number;
  readonly purpose?: string;
  /** Key of somebody else that the token is to be bound to. */
  readonly jkt?: string;
}

/** Characters of JSON. */
const maxWish = 64 * 1024;

export function wishOf(text: string): Wish {
  if (text.length > maxWish)
    throw new TokenRefused('schema', `what is asked for is longer than ${maxWish} characters`);
  const from = fieldsOf(parsed(text), 'what is asked for', [
    ...['audience', 'authorization_details', 'expires_in', 'uses', 'purpose', 'jkt'],
  ]);
  return {
    audience: textOf(from, 'audience', 512),
    details: detailsOf(from.get('authorization_details')),
    lifetime: from.has('expires_in') ? integerOf(from, 'expires_in', 1, maxLifetime) : defaultLifetime,
    uses: from.has('uses') ? integerOf(from, 'uses', 1, maxUses) : 1,
    ...(from.has('purpose') ? { purpose: textOf(from, 'purpose', 200) } : {}),
    ...(from.has('jkt') ? { jkt: textOf(from, 'jkt', 43, /^[A-Za-z0-9_-]{43}$/) } : {}),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TokenRefused('malformed', 'what is asked for is not JSON');
  }
}
