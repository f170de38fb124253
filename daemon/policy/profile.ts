// One profile, parsed and checked: typed, but with variables still in place. Nothing here depends on a session.
import type {
  AttestationRequirement,
  Effect,
  FileAccess,
  Layer,
  Mode,
  TokenDemand,
  Upstream,
} from '../model/mod.ts';
import { parseDestination } from './destination.ts';
import type { Destination } from './destination.ts';
import { joinKey, readDocument } from './document.ts';
import type { LocatedDocument } from './document.ts';
import { checkPattern, checkVariables } from './pattern.ts';
import { parseCpu, parseMemory, parseWall } from './quantity.ts';
import { validate } from './schema.ts';
import { invalid } from './source.ts';
import type { Place } from './source.ts';
import { readDemand, readTokens } from './tokens.ts';
import type { RawTokens, TokenGrants } from './tokens.ts';
import { readUpstream } from './upstream.ts';
import type { RawUpstream } from './upstream.ts';

export type Section = 'files' | 'network' | 'exec' | 'sockets';
export const sections: readonly Section[] = ['files', 'network', 'exec', 'sockets'];

/** One list entry of a profile. */
export interface AuthoredRule {
  /** `coding-agent/files[3]` */
  readonly id: string;
  readonly section: Section;
  readonly place: Place;
  readonly effect: Effect;
  readonly never: boolean;
  readonly because?: string;
  /** files only */
  readonly access: readonly FileAccess[];
  readonly label?: string;
  /** As written: paths with variables, or destinations. */
  readonly patterns: readonly string[];
  /** network only, parallel to `patterns` */
  readonly destinations: readonly Destination[];
  /** network only: what an allowed request must carry. */
  readonly token?: TokenDemand;
  /** network only: how an allowed request is carried on. */
  readonly upstream?: Upstream;
}

export interface ProtectionGrant {
  readonly name: string;
  readonly place: Place;
}

export interface LimitTexts {
  readonly processes?: number;
  readonly memory?: number;
  readonly cpuPercent?: number;
  readonly wall?: number;
}

export interface Profile {
  readonly name: string;
  readonly version: number;
  readonly description?: string;
  readonly file: string;
  readonly extends: readonly { readonly name: string; readonly place: Place }[];
  readonly mode?: Mode;
  readonly rules: readonly AuthoredRule[];
  readonly grants: readonly ProtectionGrant[];
  readonly pass: readonly string[];
  readonly set: Readonly<Record<string, string>>;
  readonly limits: LimitTexts;
  readonly mayLack: readonly Layer[];
  /** What the machine must have proved before a session starts. */
  readonly attestation?: AttestationRequirement;
  readonly tokens?: TokenGrants;
}

type Effects = Partial<Record<'allow' | 'ask' | 'deny' | 'never', string | readonly string[]>>;
type RawRule = Effects & {
  readonly in?: readonly string[];
  readonly label?: string;
  readonly because?: string;
  readonly http?: readonly string[];
  readonly credential?: string;
  readonly token?: TokenDemand;
  readonly upstream?: RawUpstream;
};

/** What the schema has proven about a document. */
type RawProfile = Partial<Record<Section, readonly RawRule[]>> & {
  readonly name: string;
  readonly version: number;
  readonly description?: string;
  readonly extends?: readonly string[];
  readonly mode?: Mode;
  readonly protect?: readonly { readonly grant: readonly string[] }[];
  readonly environment?: {
    readonly pass?: readonly string[];
    readonly set?: Readonly<Record<string, string>>;
  };
  readonly limits?: {
    readonly processes?: number;
    readonly memory?: string;
    readonly cpu?: string;
    readonly wall?: string;
  };
  readonly 'may-lack'?: readonly Layer[];
  readonly attestation?: AttestationRequirement;
  readonly tokens?: RawTokens;
};

export function parseProfile(file: string, text: string): Profile {
  const document = readDocument(file, text);
  validate(document, 'profile');
  const raw = document.value as RawProfile;
  if (raw.mode === 'dry-run')
    throw invalid(
      document.place('mode'),
      'the mode dry-run does not exist yet',
      'use monitor, which allows and records what would be denied, or enforce',
    );
  const set = raw.environment?.set ?? {};
  for (const [name, value] of Object.entries(set))
    checkVariables(value, document.place(`environment.set.${name}`));
  return {
    name: raw.name,
    version: raw.version,
    ...(raw.description === undefined ? {} : { description: raw.description }),
    file,
    extends: (raw.extends ?? []).map((name, i) => ({ name, place: document.place(`extends[${i}]`) })),
    ...(raw.mode === undefined ? {} : { mode: raw.mode }),
    rules: sections.flatMap((section) => readRules(document, raw.name, section, raw[section] ?? [])),
    grants: (raw.protect ?? []).flatMap(({ grant }, i) =>
      grant.map((name, j) => ({ name, place: document.place(`protect[${i}].grant[${j}]`) })),
    ),
    pass: raw.environment?.pass ?? [],
    set,
    limits: readLimits(document, raw.limits ?? {}),
    mayLack: raw['may-lack'] ?? [],
    ...(raw.attestation === undefined ? {} : { attestation: raw.attestation }),
    ...(raw.tokens === undefined ? {} : { tokens: readTokens(document, raw.tokens) }),
  };
}

/** Also used for managed settings, whose rules have the same shape. */
export function readRules(
  document: LocatedDocument,
  owner: string,
  section: Section,
  raw: readonly RawRule[],
): AuthoredRule[] {
  return raw.map((rule, i) => {
    const key = joinKey(section, i);
    refuseReserved(document, rule, key);
    return section === 'files'
      ? fileRule(document, owner, key, rule)
      : listRule(document, owner, section, key, rule);
  });
}

function refuseReserved(document: LocatedDocument, rule: RawRule, key: string): void {
  for (const name of ['http', 'credential'] as const) {
    if (rule[name] === undefined) continue;
    const why = name === 'http' ? 'connections are not inspected' : 'credentials are not injected';
    throw invalid(
      document.place(joinKey(key, name)),
      `not enforced by this version: ${why}`,
      `remove ${name}`,
    );
  }
}

function effectOf(rule: RawRule): {
  name: keyof Effects;
  effect: Effect;
  never: boolean;
  value: readonly string[];
} {
  const name =
    (['allow', 'ask', 'deny', 'never'] as const).find((each) => rule[each] !== undefined) ?? 'deny';
  const value = rule[name] ?? [];
  const list = typeof value === 'string' ? [value] : value;
  return { name, effect: name === 'never' ? 'deny' : name, never: name === 'never', value: list };
}

function common(document: LocatedDocument, owner: string, key: string, rule: RawRule) {
  return {
    id: `${owner}/${key}`,
    place: document.place(key),
    ...(rule.because === undefined ? {} : { because: rule.because }),
  };
}

function fileRule(document: LocatedDocument, owner: string, key: string, rule: RawRule): AuthoredRule {
  const { name, effect, never, value } = effectOf(rule);
  const patterns = rule.in ?? [];
  for (const [i, pattern] of patterns.entries()) checkPattern(pattern, document.place(`${key}.in[${i}]`));
  if (rule.label !== undefined && effect === 'deny') {
    throw invalid(document.place(`${key}.label`), `a ${name} rule gives no label`, 'remove label');
  }
  return {
    ...common(document, owner, key, rule),
    section: 'files',
    effect,
    never,
    access: value as readonly FileAccess[],
    ...(rule.label === undefined ? {} : { label: rule.label }),
    patterns,
    destinations: [],
  };
}

function listRule(
  document: LocatedDocument,
  owner: string,
  section: Exclude<Section, 'files'>,
  key: string,
  rule: RawRule,
): AuthoredRule {
  const { name, effect, never, value } = effectOf(rule);
  const placeOf = (i: number): Place =>
    document.place(typeof rule[name] === 'string' ? `${key}.${name}` : `${key}.${name}[${i}]`);
  const destinations =
    section === 'network' ? value.map((text, i) => parseDestination(text, placeOf(i))) : [];
  if (section !== 'network') for (const [i, pattern] of value.entries()) checkPattern(pattern, placeOf(i));
  const granted = { effect: name, destinations };
  const token = readDemand(document, key, rule.token, granted);
  const upstream = readUpstream(document, key, rule.upstream, { ...granted, token });
  return {
    ...common(document, owner, key, rule),
    section,
    effect,
    never,
    access: [],
    patterns: value,
    destinations,
    ...(token === undefined ? {} : { token }),
    ...(upstream === undefined ? {} : { upstream }),
  };
}

export function readLimits(document: LocatedDocument, raw: NonNullable<RawProfile['limits']>): LimitTexts {
  return {
    ...(raw.processes === undefined ? {} : { processes: raw.processes }),
    ...(raw.memory === undefined ? {} : { memory: parseMemory(raw.memory, document.place('limits.memory')) }),
    ...(raw.cpu === undefined ? {} : { cpuPercent: parseCpu(raw.cpu, document.place('limits.cpu')) }),
    ...(raw.wall === undefined ? {} : { wall: parseWall(raw.wall, document.place('limits.wall')) }),
  };
}
