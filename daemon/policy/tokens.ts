// What a profile says of capability tokens. Nothing said, nothing granted. Of a family the lists are joined, the strictest
// attestation and the shortest life hold.
import type { AttestationRequirement, TokenDemand, TokenPolicy } from '../model/mod.ts';
import { parseCidr } from '../decision/mod.ts';
import type { Destination } from './destination.ts';
import { joinKey } from './document.ts';
import type { LocatedDocument } from './document.ts';
import { parseWall } from './quantity.ts';
import { invalid } from './source.ts';
import type { Place } from './source.ts';

export interface RawTokens {
  readonly attestation?: AttestationRequirement;
  readonly 'attested-within'?: string;
  readonly lifetime?: string;
  readonly audiences?: readonly string[];
  readonly tools?: readonly string[];
  readonly rows?: TokenPolicy['rows'];
}

export type TokenGrants = Omit<TokenPolicy, 'rule'> & { readonly place: Place };

/** Seconds. */
export const longestToken = 3600;
const usualToken = 300;

export function readTokens(document: LocatedDocument, raw: RawTokens): TokenGrants {
  const place = document.place('tokens');
  return {
    place,
    attestation: raw.attestation ?? 'none',
    ...within(raw['attested-within'], document.place('tokens.attested-within')),
    lifetime:
      raw.lifetime === undefined ? usualToken : lifetimeOf(raw.lifetime, document.place('tokens.lifetime')),
    audiences: raw.audiences ?? [],
    tools: raw.tools ?? [],
    rows: raw.rows ?? [],
  };
}

function within(text: string | undefined, place: Place): Pick<TokenPolicy, 'attestedWithin'> {
  if (text === undefined) return {};
  const seconds = parseWall(text, place);
  if (seconds >= 1) return { attestedWithin: seconds };
  throw invalid(place, `${text} is less than a second`, 'write how old an attestation may be, such as 10m');
}

/** The shortest; nothing when nobody says one. */
function shortest(all: readonly TokenGrants[]): Pick<TokenPolicy, 'attestedWithin'> {
  const said = all.flatMap(({ attestedWithin }) => (attestedWithin === undefined ? [] : [attestedWithin]));
  return said.length === 0 ? {} : { attestedWithin: Math.min(...said) };
}

function lifetimeOf(text: string, place: Place): number {
  const seconds = parseWall(text, place);
  if (seconds >= 1 && seconds <= longestToken) return seconds;
  throw invalid(place, `${text} is not from 1s to 1h`, 'a token lives one hour at most: write 5m, or 1h');
}

/** A token on a rule that grants nothing would promise what never happens. */
export function readDemand(
  document: LocatedDocument,
  key: string,
  demand: TokenDemand | undefined,
  rule: { readonly effect: string; readonly destinations: readonly Destination[] },
): TokenDemand | undefined {
  if (demand === undefined) return undefined;
  const place = document.place(joinKey(key, 'token'));
  if (rule.effect !== 'allow') throw invalid(place, `a ${rule.effect} rule carries no token`, 'remove token');
  if (rule.destinations.some(({ host }) => parseCidr(host) !== undefined))
    throw invalid(place, 'what goes to an address is not read, and gets no token', 'grant a name');
  return demand;
}

const strictness: readonly AttestationRequirement[] = ['none', 'software', 'hardware'];
export const stricter = (a: AttestationRequirement, b: AttestationRequirement): AttestationRequirement =>
  strictness.indexOf(a) >= strictness.indexOf(b) ? a : b;

/** Parents first; what the owner of the machine says last. */
export function joinTokens(
  family: readonly (TokenGrants | undefined)[],
  managed: TokenGrants | undefined,
): TokenGrants | undefined {
  const said = family.filter((each) => each !== undefined);
  const last = said.at(-1);
  if (last === undefined) return undefined;
  const all = managed === undefined ? said : [...said, managed];
  return {
    place: last.place,
    attestation: all.map((each) => each.attestation).reduce(stricter),
    ...shortest(all),
    lifetime: Math.min(...all.map((each) => each.lifetime)),
    audiences: [...new Set(said.flatMap((each) => each.audiences))],
    tools: [...new Set(said.flatMap((each) => each.tools))],
    rows: said.flatMap((each) => each.rows),
  };
}

/** Rules that want tokens grant them, for their own audiences. */
export function withDemands(
  grants: TokenGrants | undefined,
  demands: readonly { readonly place: Place; readonly token: TokenDemand }[],
  managed: TokenGrants | undefined,
): TokenGrants | undefined {
  const [first] = demands;
  if (first === undefined) return grants;
  const base =
    grants ??
    joinTokens(
      [{ place: first.place, attestation: 'none', lifetime: usualToken, audiences: [], tools: [], rows: [] }],
      managed,
    );
  const audiences = [...(base?.audiences ?? []), ...demands.map(({ token }) => token.audience)];
  return base && { ...base, audiences: [...new Set(audiences)] };
}
