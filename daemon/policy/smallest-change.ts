// The smallest addition to a profile that would allow exactly what a record says was denied. Tried before it is
// offered: the profile with the addition is compiled and asked again.
import { createDecider } from '../decision/mod.ts';
import type { FileAccess, Plan, RuleInfo, SessionRecord, Verdict } from '../model/mod.ts';
import { compile } from './compile.ts';
import { parseProfile } from './profile.ts';
import { isProtection, protectionId, protectionOf } from './protected.ts';
import type { CompileContext, ProfileSource, ProfileSources } from './source.ts';
import { isUnsayable, wantsOf } from './wants.ts';
import type { Want } from './wants.ts';

export interface SmallestChange {
  /** File to add it to; empty when nothing can be added, and for a profile that comes with Cordon. */
  readonly file: string;
  /** Empty when no profile can allow this. */
  readonly yaml: string;
  /** What to know before, or why there is no change. */
  readonly note: string;
}

const nothing = (note: string): SmallestChange => ({ file: '', yaml: '', note });

export function smallestChange(
  record: SessionRecord,
  profile: string,
  sources: ProfileSources,
  context: CompileContext,
): SmallestChange {
  if (record.rule?.id.startsWith('builtin/syscall/') === true)
    return nothing(`${record.object} is refused by the system call filter: no profile can allow it`);
  const fixed = fixedRefusal(record);
  if (fixed !== undefined) return nothing(fixed);
  if (isUnsayable(record)) return noPattern;
  const all = wantsOf(record, context);
  if (all.length === 0) return nothing('nothing in a profile decides this');
  const change = grow(profile, sources, context, all, protectionOf(record.rule?.id ?? ''));
  if (change !== allowedNow) return change;
  if (onTheWire(record)) return notByProfile;
  return movesAlong(record, compile(profile, sources, context)) ?? change;
}

/** Both names of a rename are granted, and the rule that refused it is there still: it was about what lies below. */
function movesAlong(
  { operation, rule, reason }: SessionRecord,
  { capabilitySet }: Plan,
): SmallestChange | undefined {
  if (operation !== 'rename' || rule === undefined) return undefined;
  const still = rule.id === 'builtin/default-deny' || capabilitySet.rules.some(({ id }) => id === rule.id);
  return still
    ? nothing(
        `the names themselves are granted; something in this directory would move along, and that is refused: ${reason}`,
      )
    : undefined;
}

const noPattern = nothing(
  'the name has a backslash or bytes that are not UTF-8, which no pattern can say: grant a directory above it, or use another name',
);
const allowedNow = nothing('the profile as it is now allows this: run again');
const notByProfile = nothing(
  'the profile allows this; it was refused for what the connection itself did, which the reason says: nothing in a profile changes that',
);
/** Denials of egress that no rule made. */
const onTheWire = (record: SessionRecord): boolean => record.rule?.id.startsWith('builtin/egress-') === true;

/**
 * Refusals of the mediators themselves hold whatever a profile says (supervisor/mediation.ts, `refusal`); those that come
 * from a profile, or that one can lift, are the rest.
 */
const liftable = new Set(['builtin/default-deny', 'builtin/address-guard', 'builtin/own-loopback']);
function fixedRefusal(record: SessionRecord): string | undefined {
  const id = record.rule?.id ?? '';
  if (!id.startsWith('builtin/') || liftable.has(id) || isExecList(id) || onTheWire(record)) return undefined;
  const protection = protectionOf(id);
  if (protection !== undefined && isProtection(protection)) return undefined;
  return `no profile can allow this: ${record.reason}`;
}
const isExecList = (id: string): boolean => id.startsWith('builtin/exec-');

/**
 * Adds one entry after another, each only when the ones before it are not enough. `said`: the protection that denied it,
 * maybe for what the place is and not for its name (a bare repository).
 */
function grow(
  profile: string,
  sources: ProfileSources,
  context: CompileContext,
  all: readonly Want[],
  said: string | undefined,
): SmallestChange {
  const source = sources.get(profile);
  if (!source) return nothing(`there is no profile ${profile}`);
  const entries = new Set<Want>();
  const grants = new Set<string>();
  if (said !== undefined && isInForce(compile(profile, sources, context), said)) grants.add(said);
  for (let round = 0; round <= all.length * 2; round++) {
    const yaml = render([...entries], [...grants]);
    const changed = yaml === '' ? sources : withAddition(profile, sources, yaml);
    const decider = createDecider(compile(profile, changed, context).capabilitySet);
    const next = all
      .map((want) => ({ want, verdict: want.verdict(decider) }))
      .find((each) => each.verdict.effect !== 'allow');
    if (!next) return done(yaml, source, profile, [...grants]);
    const blocked = unchangeable(next.verdict);
    if (blocked) return blocked;
    const protection = protectionOf(next.verdict.rule.id);
    const known = protection === undefined ? entries.has(next.want) : grants.has(protection);
    if (known) return insufficient(next.verdict);
    if (protection === undefined) entries.add(next.want);
    else grants.add(protection);
  }
  return nothing('no addition was found that allows this');
}

const isInForce = ({ capabilitySet }: Plan, protection: string): boolean =>
  capabilitySet.rules.some(({ id }) => id === protectionId(protection));

function insufficient({ rule, reason }: Verdict): SmallestChange {
  return nothing(`an addition is not enough: ${reason}. Change the rule at ${placeOf(rule)}`);
}

function done(
  yaml: string,
  source: ProfileSource,
  profile: string,
  grants: readonly string[],
): SmallestChange {
  if (yaml === '') return allowedNow;
  const file = source.builtin === true ? '' : source.file;
  return { file, yaml, note: notes(source, profile, grants, yaml) };
}

const placeOf = ({ source, id }: RuleInfo): string =>
  source.line > 0 ? `${source.file}:${source.line}` : id;

function unchangeable({ rule }: Verdict): SmallestChange | undefined {
  const where = placeOf(rule);
  if (rule.id.startsWith('managed/')) {
    return nothing(`managed settings forbid this (${where}): only the owner of the machine can change them`);
  }
  if (!rule.never) return undefined;
  const because = rule.because === undefined ? '' : `: ${rule.because}`;
  return nothing(
    `a never rule forbids this (${where}${because}): no addition can allow it; only that rule itself could be changed`,
  );
}

function notes(
  source: { readonly builtin?: boolean },
  profile: string,
  protections: readonly string[],
  yaml: string,
): string {
  const own =
    source.builtin === true
      ? `${profile} comes with Cordon: write a profile of your own with extends: [${profile}] and this, and run with its name. `
      : '';
  const risk =
    protections.length === 0
      ? ''
      : `${protections.join(', ')} is protected because what is written there can run code outside the sandbox. `;
  const dot = yaml.includes('/."')
    ? 'A pattern that ends in /. is for that object alone, not for what lies below it. '
    : '';
  const any = yaml.includes('?')
    ? 'A ? stands for any one byte: what is there in the name has another meaning in a pattern. '
    : '';
  return `${own}${risk}${dot}${any}`.trim();
}

/** The profile as it would be: a child of the same name over the old text, so that the old file is not edited as text. */
function withAddition(profile: string, sources: ProfileSources, yaml: string): ProfileSources {
  const old = sources.get(profile)!;
  const parent = 'cordon-change-base';
  const { version } = parseProfile(old.file, old.text);
  const text = `cordon: 1\nname: ${profile}\nversion: ${version}\nextends: [${parent}]\n${yaml}`;
  const renamed = old.text.replace(/^name:.*$/m, `name: ${parent}`);
  return new Map([...sources, [parent, { ...old, text: renamed }], [profile, { file: old.file, text }]]);
}

function render(wants: readonly Want[], protections: readonly string[]): string {
  const out: string[] = [];
  for (const section of ['files', 'exec', 'network', 'sockets'] as const) {
    const meant = wants.filter((want) => want.section === section);
    const entries = new Set(section === 'files' ? fileEntries(meant) : meant.map((want) => want.entry));
    if (entries.size > 0) out.push(`${section}:`, ...[...entries].map((entry) => `  - ${entry}`));
  }
  if (protections.length > 0) out.push('protect:', `  - { grant: [${protections.join(', ')}] }`);
  return out.length === 0 ? '' : `${out.join('\n')}\n`;
}

const order: readonly FileAccess[] = ['read', 'write', 'exec'];

function fileEntries(wants: readonly Want[]): string[] {
  const asked = wants.flatMap(({ files }) => (files === undefined ? [] : [files]));
  return [...new Set(asked.map(({ pattern }) => pattern))].map((pattern) => {
    const accesses = order.filter((access) =>
      asked.some((each) => each.pattern === pattern && each.access === access),
    );
    return `{ allow: [${accesses.join(', ')}], in: [${pattern}] }`;
  });
}
