// What the service may mint: an administrator's word, by rule. Nothing is granted that no rule names, and a rule only ever
// narrows what the endpoint's own token permits.
import { Fields, malformed } from '../evidence/mod.ts';
import { CordonError } from '../model/mod.ts';
import { detailsOf, maxLifetime, maxUses, narrows } from '../tokens/mod.ts';
import type { Claims, Detail } from '../tokens/mod.ts';

export interface MintingRule {
  /** Names of attestation keys, hexadecimal; undefined: every endpoint that is accepted. */
  readonly endpoints: readonly string[] | undefined;
  /** Names of profiles; undefined: any. */
  readonly profiles: readonly string[] | undefined;
  /** `software`: any TPM. */
  readonly tpm: 'hardware' | 'software';
  readonly audiences: readonly string[];
  /** Details of these types are granted as the endpoint's token has them, */
  readonly types: readonly Detail['type'][];
  /** and those that permit no more than one of these. */
  readonly details: readonly Detail[];
  /** Seconds, at most. */
  readonly lifetime: number;
  /** At most. */
  readonly uses: number;
}

export interface MintingPolicy {
  /** Seconds that an accepted result counts. */
  readonly attestedWithin: number;
  /** Tokens of one endpoint a minute. */
  readonly perMinute: number;
  readonly rules: readonly MintingRule[];
}

const types = ['http', 'file.upload', 'db.row', 'tool.call', 'exec'] as const;
const most = 256;
const defaultLifetime = 300;

function nameOfKey(where: string, value: unknown): string {
  if (typeof value !== 'string' || !/^(?:[0-9a-f]{2}){22,66}$/.test(value))
    throw malformed(where, 'is not the Name of a key');
  return value;
}

const textOf =
  (longest: number) =>
  (where: string, value: unknown): string => {
    if (typeof value !== 'string' || value === '' || value.length > longest)
      throw malformed(where, `is not text of at most ${longest} characters`);
    return value;
  };

function typeOf(where: string, value: unknown): Detail['type'] {
  const found = types.find((type) => type === value);
  if (found === undefined) throw malformed(where, `is none of ${types.join(', ')}`);
  return found;
}

function within(fields: Fields, key: string, max: number, fallback: number): number {
  if (!fields.has(key)) return fallback;
  const value = fields.whole(key);
  if (value < 1 || value > max) throw malformed(`minting.${key}`, `is not from 1 to ${max}`);
  return value;
}

function readRule(where: string, value: unknown): MintingRule {
  const fields = new Fields(where, value);
  const listed = <T>(key: string, read: (where: string, value: unknown) => T): readonly T[] | undefined =>
    fields.has(key) ? fields.list(key, most, read) : undefined;
  const rule = {
    endpoints: listed('endpoints', nameOfKey),
    profiles: listed('profiles', textOf(256)),
    tpm: fields.has('tpm') ? fields.one('tpm', ['hardware', 'software']) : 'hardware',
    audiences: fields.list('audiences', most, textOf(512)),
    types: listed('types', typeOf) ?? [],
    details: fields.has('details') ? detailsOf(fields.take('details')) : [],
    lifetime: within(fields, 'lifetime', maxLifetime, defaultLifetime),
    uses: within(fields, 'uses', maxUses, 1),
  };
  fields.end();
  return rule;
}

/** From the text of a file. Unknown keys are errors. */
export function readMintingPolicy(text: string): MintingPolicy {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CordonError('config-invalid', 'the minting policy is not JSON', { cause });
  }
  const fields = new Fields('minting', value);
  const policy = {
    attestedWithin: within(fields, 'attested-within', 86_400, 900),
    perMinute: within(fields, 'per-minute', 10_000, 60),
    rules: fields.list('rules', most, readRule),
  };
  fields.end();
  return policy;
}

/** What is asked for, and of whom. */
export interface Asked {
  readonly endpoint: string;
  readonly tpm: 'hardware' | 'software';
  readonly profile: string;
  readonly audience: Claims['aud'];
  readonly details: readonly Detail[];
  readonly uses: number;
}

const named = (list: readonly string[] | undefined, name: string): boolean =>
  list === undefined || list.includes(name);

const covers = ({ types: whole, details }: MintingRule, asked: readonly Detail[]): boolean =>
  asked.every((each) => whole.includes(each.type) || narrows([each], details));

/** The first rule that grants all of it. */
export const grantingRule = (policy: MintingPolicy, asked: Asked): MintingRule | undefined =>
  policy.rules.find(
    (rule) =>
      named(rule.endpoints, asked.endpoint) &&
      named(rule.profiles, asked.profile) &&
      (rule.tpm === 'software' || asked.tpm === 'hardware') &&
      rule.audiences.includes(asked.audience) &&
      asked.uses <= rule.uses &&
      covers(rule, asked.details),
  );
