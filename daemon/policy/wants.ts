// What a denial wanted: the questions that policy would have had to answer with an allow, each with the entry of a profile
// that makes it so.
import { canonicalAddress } from '../decision/mod.ts';
import { normalise, toBytes, toText } from '../model/mod.ts';
import type { BytePath, Decider, FileAccess, NetworkQuery, SessionRecord, Verdict } from '../model/mod.ts';
import type { CompileContext } from './source.ts';

/** One thing to ask for, and the entry that would allow it. */
export interface Want {
  readonly verdict: (decider: Decider) => Verdict;
  readonly section: 'files' | 'exec' | 'network' | 'sockets';
  readonly entry: string;
  /** Of `files`: kinds of access to one object are written as one entry. */
  readonly files?: { readonly access: FileAccess; readonly pattern: string };
}

export function wantsOf(record: SessionRecord, context: CompileContext): Want[] {
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

const reads = new Set(['open', 'read', 'readdir', 'opendir', 'list', 'stat', 'watch']);
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
  const named = [record.object, second].flatMap((object) =>
    object === undefined
      ? []
      : pathWant(object, context, (text, path) => [fileWant(access, text, path)], isAlone(record)),
  );
  return second === undefined ? named : [...named, ...shownWants(record.object, second, context)];
}

/** A new name must not show what the old one hid (supervisor/mutations.ts, `moved`). */
function shownWants(from: string, to: string, context: CompileContext): Want[] {
  const shown = normalise(toBytes(to));
  return pathWant(from, context, (text, path) => {
    const want = fileWant('read', text, path);
    const verdict = (decider: Decider): Verdict => {
      const target = decider.file({ access: 'read', path: shown });
      // What is not shown is not refused: the verdict on the target is then only an allow in its place.
      return target.effect === 'allow' ? want.verdict(decider) : { ...target, effect: 'allow' };
    };
    return [{ ...want, verdict }];
  });
}

const fileWant = (access: FileAccess, pattern: string, path: BytePath): Want => ({
  section: 'files',
  entry: '',
  files: { access, pattern },
  verdict: (decider) => decider.file({ access, path }),
});

/** Means something in a pattern, or cannot stand in one. Each is one byte, which `?` matches. */
const unsayable = /[*?[\]{}$\0\n]/g;

/** Bytes that are not UTF-8 are written with a backslash in records, and a backslash cannot stand in a pattern. */
export const isUnsayable = ({ kind, object, object2 }: SessionRecord): boolean =>
  ['file', 'exec', 'socket'].includes(kind) &&
  [object, object2 ?? ''].some((name) => name.startsWith('/') && name.includes('\\'));

/** A path that a pattern can name; others have no smallest change. */
function pathWant(
  object: string,
  context: CompileContext,
  make: (text: string, path: BytePath) => Want[],
  alone = false,
): Want[] {
  if (!object.startsWith('/') || object.includes('\\')) return [];
  return make(
    JSON.stringify(`${withVariables(object, context)}${alone ? '/.' : ''}`),
    normalise(toBytes(object)),
  );
}

function withVariables(object: string, context: CompileContext): string {
  const places = (['workspace', 'home'] as const).map((name) => ({ name, at: toText(context[name]) }));
  places.sort((a, b) => b.at.length - a.at.length);
  for (const { name, at } of places) {
    if (object === at || object.startsWith(`${at}/`))
      return `\${${name}}${object.slice(at.length).replace(unsayable, '?')}`;
  }
  return object.replace(unsayable, '?');
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
