// The smallest addition to a profile that would allow exactly what a record says was denied. Tried before it is
// offered: the profile with the addition is compiled and asked again.
import { canonicalAddress, createDecider } from '../decision/mod.ts';
import { normalise, toBytes, toText } from '../model/mod.ts';
import type {
  BytePath,
  Decider,
  FileAccess,
  NetworkQuery,
  Plan,
  RuleInfo,
  SessionRecord,
  Verdict,
} from '../model/mod.ts';
import { compile } from './compile.ts';
import { parseProfile } from './profile.ts';
import { isProtection, protectionId, protectionOf } from './protected.ts';
import type { CompileContext, ProfileSource, ProfileSources } from './source.ts';

export interface SmallestChange {
  /** File to add it to; empty when nothing can be added. */
  readonly file: string;
  /** Empty when no profile can allow this. */
  readonly yaml: string;
  /** What to know before, or why there is no change. */
  readonly note: string;
}

const nothing = (note: string): SmallestChange => ({ file: '', yaml: '', note });

/** One thing to ask for, and the entry that would allow it. */
interface Want {
  readonly verdict: (decider: Decider) => Verdict;
  readonly section: 'files' | 'exec' | 'network' | 'sockets';
  readonly entry: string;
  /** Of `files`: kinds of access to one object are written as one entry. */
  readonly files?: { readonly access: FileAccess; readonly pattern: string };
}

export function smallestChange(
  record: SessionRecord,
  profile: string,
  sources: ProfileSources,
  context: CompileContext,
): SmallestChange {
  if (record.kind === 'syscall')
    return nothing(`${record.object} is refused by the system call filter: no profile can allow it`);
  const fixed = fixedRefusal(record);
  if (fixed !== undefined) return nothing(fixed);
  const all = wantsOf(record, context);
  if (all.length === 0) return nothing('nothing in a profile decides this');
  const change = grow(profile, sources, context, all, protectionOf(record.rule?.id ?? ''));
  return change === allowedNow && onTheWire(record) ? notByProfile : change;
}

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
  return { file: source.file, yaml, note: notes(source, profile, grants, yaml.includes('/."')) };
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
  alone: boolean,
): string {
  const own =
    source.builtin === true
      ? `${profile} comes with Cordon: write a profile of your own that extends it and add this there. `
      : '';
  const risk =
    protections.length === 0
      ? ''
      : `${protections.join(', ')} is protected because what is written there can run code outside the sandbox. `;
  const dot = alone ? 'A pattern that ends in /. is for that object alone, not for what lies below it. ' : '';
  return `${own}${risk}${dot}`.trim();
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

function wantsOf(record: SessionRecord, context: CompileContext): Want[] {
  switch (record.kind) {
    case 'file':
      return fileWants(record, context);
    case 'exec':
      // The kernel reads what it executes, and asks about that too.
      return pathWant(record.object, context, (text, path) => [
        fileWant('exec', text, path),
        fileWant('read', text, path),
        { section: 'exec', entry: `{ allow: [${text}] }`, verdict: (decider) => decider.exec(path) },
      ]);
    case 'socket':
      return pathWant(record.object, context, (text, path) => [
        { section: 'sockets', entry: `{ allow: [${text}] }`, verdict: (decider) => decider.socket({ path }) },
      ]);
    case 'connect':
    case 'name':
    case 'http':
      return networkWants(record);
    case 'session':
    case 'syscall':
    case 'tool':
    case 'token':
    case 'admin':
    case 'approval':
    case 'finding':
    case 'log':
      return [];
  }
}

const reads = new Set(['open', 'read', 'readdir', 'opendir', 'list', 'stat']);
const lists = new Set(['readdir', 'opendir', 'list']);

/** What is judged with everything below it: a directory takes its contents along, a link leads to what lies behind. */
const reaching = new Set(['rename', 'symlink']);

/**
 * To list a directory is not to read what is in it, and to make, change or replace an object is not to do so to all below.
 * A file that is only read or executed has nothing below.
 */
const isAlone = (record: SessionRecord): boolean =>
  lists.has(record.operation) ||
  record.detail?.['directory'] === true ||
  (accessOf(record) === 'write' && !reaching.has(record.operation));

function accessOf(record: SessionRecord): FileAccess {
  const said = record.detail?.['access'];
  if (said === 'read' || said === 'write' || said === 'exec') return said;
  return reads.has(record.operation) ? 'read' : 'write';
}

function fileWants(record: SessionRecord, context: CompileContext): Want[] {
  const access = accessOf(record);
  const second = ['rename', 'link'].includes(record.operation) ? record.object2 : undefined;
  return [record.object, second].flatMap((object) =>
    object === undefined
      ? []
      : pathWant(object, context, (text, path) => [fileWant(access, text, path)], isAlone(record)),
  );
}

const fileWant = (access: FileAccess, pattern: string, path: BytePath): Want => ({
  section: 'files',
  entry: '',
  files: { access, pattern },
  verdict: (decider) => decider.file({ access, path }),
});

/** A path that a pattern can name; others (globs in the name, bytes that are not UTF-8) have no smallest change. */
function pathWant(
  object: string,
  context: CompileContext,
  make: (text: string, path: BytePath) => Want[],
  alone = false,
): Want[] {
  if (!object.startsWith('/') || /[*?[\]{}\\$\0\n]/.test(object)) return [];
  return make(
    JSON.stringify(`${withVariables(object, context)}${alone ? '/.' : ''}`),
    normalise(toBytes(object)),
  );
}

function withVariables(object: string, context: CompileContext): string {
  const places = (['workspace', 'home'] as const).map((name) => ({ name, at: toText(context[name]) }));
  places.sort((a, b) => b.at.length - a.at.length);
  for (const { name, at } of places) {
    if (object === at || object.startsWith(`${at}/`)) return `\${${name}}${object.slice(at.length)}`;
  }
  return object;
}

const destination = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/;

/** An http record is about `METHOD http://host:port/path`: what a profile can grant of it is its host and port. */
const authority = /^\S+ https?:\/\/([^/]+)/;

function networkWants(record: SessionRecord): Want[] {
  const object = record.kind === 'http' ? authority.exec(record.object)?.[1] : record.object;
  if (object === undefined || /[\s/@]/.test(object)) return [];
  const match = destination.exec(object);
  const host = match ? (match[1] ?? match[2] ?? '') : object;
  const port = match ? Number(match[3]) : undefined;
  const resolved =
    record.object2 === undefined
      ? undefined
      : canonicalAddress(record.object2.replace(/^\[|\](?::\d+)?$/g, ''));
  const literal = canonicalAddress(host);
  const at = port === undefined ? {} : { port };
  if (literal !== undefined) return [networkWant(literal, port, { address: literal, ...at })];
  const named: NetworkQuery = { host: host.toLowerCase(), ...at };
  const wants = [networkWant(host, port, named)];
  // An address that the resolver would not hand out wants a grant that names it.
  if (resolved !== undefined && record.operation === 'answer')
    return [...wants, networkWant(resolved, port, { address: resolved, port: 443 })];
  if (resolved !== undefined) wants.push(networkWant(resolved, port, { ...named, address: resolved }));
  return wants;
}

function networkWant(host: string, port: number | undefined, query: NetworkQuery): Want {
  // A name that was only looked up says nothing about the port: the usual one.
  const written = `${host.includes(':') ? `[${host}]` : host}:${port ?? 443}`;
  return {
    section: 'network',
    entry: `{ allow: ${JSON.stringify(written)} }`,
    verdict: (decider) => decider.network(query),
  };
}
