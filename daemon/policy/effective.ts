// The effective policy: a profile with all it inherits, narrowed by managed settings. What `policy show` prints and
// what is compiled.
import { CordonError } from '../model/mod.ts';
import type { AttestationRequirement, Layer, Limits, Mode } from '../model/mod.ts';
import { lineage } from './inherit.ts';
import type { ManagedSettings } from './managed.ts';
import type { AuthoredRule, LimitTexts, Profile } from './profile.ts';
import { protections } from './protected.ts';
import type { Protection } from './protected.ts';
import { invalid } from './source.ts';
import type { ProfileSources } from './source.ts';
import { joinTokens, stricter, withDemands } from './tokens.ts';
import type { TokenGrants } from './tokens.ts';

export interface EffectivePolicy {
  readonly profile: { readonly name: string; readonly version: number; readonly file: string };
  /** Names, parents first, the profile itself last. */
  readonly lineage: readonly string[];
  readonly mode: Mode;
  readonly rules: readonly AuthoredRule[];
  /** In force: not granted by name, or the grant was refused. */
  readonly protections: readonly Protection[];
  readonly pass: readonly string[];
  readonly set: Readonly<Record<string, string>>;
  readonly limits: Limits;
  readonly mayLack: readonly Layer[];
  /** Of all profiles of the family the strictest. */
  readonly attestation: AttestationRequirement;
  readonly tokens?: TokenGrants;
}

/** For profiles that say nothing. */
const defaultLimits: Limits = { processes: 1024, memory: 8 * 2 ** 30, cpuPercent: 0, wall: 0 };

export function effectivePolicy(
  name: string,
  sources: ProfileSources,
  managed?: ManagedSettings,
  asked?: Mode,
): EffectivePolicy {
  const family = lineage(name, sources);
  const profile = family.at(-1)!;
  const merged = family.flatMap((each) => each.rules);
  const rules = narrow(merged, family, managed);
  const tokens = tokensOf(rules, family, managed);
  return {
    profile: { name: profile.name, version: profile.version, file: profile.file },
    lineage: family.map((each) => each.name),
    mode: modeOf(family, managed, asked),
    rules: [...withImages(rules, merged), ...(managed?.rules ?? [])],
    protections: protectionsOf(family, managed),
    pass: [...new Set(family.flatMap((each) => each.pass))],
    set: Object.fromEntries(family.flatMap((each) => Object.entries(each.set))),
    limits: limitsOf(family, managed),
    mayLack: managed?.requireAllLayers === true ? [] : [...new Set(family.flatMap((each) => each.mayLack))],
    attestation: family.map((each) => each.attestation ?? 'none').reduce(stricter, 'none'),
    ...(tokens === undefined ? {} : { tokens }),
  };
}

function tokensOf(
  rules: readonly AuthoredRule[],
  family: readonly Profile[],
  managed: ManagedSettings | undefined,
): TokenGrants | undefined {
  const demands = rules.flatMap(({ place, token }) => (token === undefined ? [] : [{ place, token }]));
  const granted = joinTokens(
    family.map((each) => each.tokens),
    managed?.tokens,
  );
  return withDemands(granted, demands, managed?.tokens);
}

function modeOf(
  family: readonly Profile[],
  managed: ManagedSettings | undefined,
  asked: Mode | undefined,
): Mode {
  const written = family.findLast((each) => each.mode !== undefined)?.mode ?? 'enforce';
  const permitted = managed?.modes;
  if (asked !== undefined && permitted && !permitted.includes(asked)) {
    throw new CordonError(
      'not-permitted',
      `the mode ${asked} is not permitted: ${managed.file} permits ${permitted.join(', ')}`,
      {
        file: managed.file,
        key: 'modes',
        fix: 'run without --mode, or ask the owner of the machine',
      },
    );
  }
  const wanted = asked ?? written;
  return !permitted || permitted.includes(wanted) ? wanted : 'enforce';
}

/** Only an allow may be taken out: without an ask or a deny a less specific allow could come through. */
function narrow(
  rules: readonly AuthoredRule[],
  family: readonly Profile[],
  managed?: ManagedSettings,
): AuthoredRule[] {
  const removed = new Set<string>();
  for (const { id, place } of managed?.remove ?? []) {
    const rule = rules.find((each) => each.id === id);
    const concerned = family.some((each) => id.startsWith(`${each.name}/`));
    if (!rule && concerned)
      throw invalid(place, `there is no rule ${id}`, 'see the ids in: cordon policy show');
    if (rule && rule.effect !== 'allow') {
      throw invalid(
        place,
        `${id} is not an allow: without it more could be allowed`,
        'remove allow rules only',
      );
    }
    if (rule) removed.add(id);
  }
  return rules.filter((rule) => !removed.has(rule.id));
}

/**
 * The exec list denies what it does not name. A family that only wrote refusals means "everything but": said
 * explicitly here, before managed settings, so that taking a rule away can never turn the list into no list.
 */
function withImages(rules: readonly AuthoredRule[], authored: readonly AuthoredRule[]): AuthoredRule[] {
  const list = authored.filter((rule) => rule.section === 'exec');
  if (list.every((rule) => rule.effect === 'deny')) return [...rules, everyImage];
  return rules.some((rule) => rule.section === 'exec') ? [...rules] : [...rules, noImage];
}

const everyImage: AuthoredRule = {
  id: 'builtin/exec-by-file-rules',
  section: 'exec',
  place: { file: 'builtin', line: 0, key: 'exec' },
  effect: 'allow',
  never: false,
  because: 'the profile lists no programs to allow: its file rules decide',
  access: [],
  patterns: ['/**'],
  destinations: [],
};

/** An empty list would mean no list: said explicitly when every entry was taken away. */
const noImage: AuthoredRule = {
  ...everyImage,
  id: 'builtin/exec-nothing',
  effect: 'deny',
  because: 'managed settings removed every program of the list',
};

function protectionsOf(family: readonly Profile[], managed?: ManagedSettings): Protection[] {
  const refused = managed?.refuseGrants ?? [];
  const granted = new Set(
    family
      .flatMap((each) => each.grants.map(({ name }) => name))
      .filter((name) => !refused.includes(name) && !refused.includes('*')),
  );
  return protections.filter(({ name }) => !granted.has(name));
}

function limitsOf(family: readonly Profile[], managed?: ManagedSettings): Limits {
  const written = family.reduce<LimitTexts>((sum, each) => ({ ...sum, ...each.limits }), {});
  const wanted: Limits = { ...defaultLimits, ...written };
  const most = managed?.limits ?? {};
  // 0 = no limit, the greatest of all.
  const least = (a: number, b: number | undefined): number =>
    b === undefined || b === 0 ? a : a === 0 ? b : Math.min(a, b);
  return {
    processes: least(wanted.processes, most.processes),
    memory: least(wanted.memory, most.memory),
    cpuPercent: least(wanted.cpuPercent, most.cpuPercent),
    wall: least(wanted.wall, most.wall),
  };
}
