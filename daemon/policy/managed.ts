// Managed settings: what the owner of the machine takes away from every profile. They hold `never` rules, removals,
// and upper limits, nothing that could loosen: the grammar has no way to say it.
import type { Mode } from '../model/mod.ts';
import { readDocument } from './document.ts';
import { readLimits, readRules } from './profile.ts';
import type { AuthoredRule, LimitTexts, Section } from './profile.ts';
import { validate } from './schema.ts';
import type { Place } from './source.ts';
import { longestToken, readTokens } from './tokens.ts';
import type { RawTokens, TokenGrants } from './tokens.ts';

export interface ManagedSettings {
  readonly file: string;
  readonly rules: readonly AuthoredRule[];
  /** Ids of allow rules to take out. */
  readonly remove: readonly { readonly id: string; readonly place: Place }[];
  /** Protections that no profile may grant; `*` is all of them. */
  readonly refuseGrants: readonly string[];
  /** Modes a session may run in; undefined = any. */
  readonly modes?: readonly Mode[];
  /** Upper bounds. */
  readonly limits: LimitTexts;
  /** True: `may-lack` of profiles is ignored. */
  readonly requireAllLayers: boolean;
  /** Bounds: least attestation, longest life. It grants nothing. */
  readonly tokens?: TokenGrants;
}

type RawManaged = Partial<Record<Section, Parameters<typeof readRules>[3]>> & {
  readonly remove?: readonly string[];
  readonly 'refuse-grants'?: readonly string[];
  readonly modes?: readonly Mode[];
  readonly limits?: Parameters<typeof readLimits>[1];
  readonly 'require-all-layers'?: boolean;
  readonly tokens?: Pick<RawTokens, 'attestation' | 'attested-within' | 'lifetime'>;
};

export function parseManaged(file: string, text: string): ManagedSettings {
  const document = readDocument(file, text);
  validate(document, 'managed');
  const raw = document.value as RawManaged;
  const rules = (['files', 'network', 'exec', 'sockets'] as const).flatMap((section) =>
    readRules(document, 'managed', section, raw[section] ?? []),
  );
  return {
    file,
    rules,
    remove: (raw.remove ?? []).map((id, i) => ({ id, place: document.place(`remove[${i}]`) })),
    refuseGrants: raw['refuse-grants'] ?? [],
    ...(raw.modes === undefined ? {} : { modes: raw.modes }),
    limits: readLimits(document, raw.limits ?? {}),
    requireAllLayers: raw['require-all-layers'] ?? false,
    ...(raw.tokens === undefined
      ? {}
      : { tokens: readTokens(document, { lifetime: `${longestToken}s`, ...raw.tokens }) }),
  };
}
