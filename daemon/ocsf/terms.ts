// What a record can be looked for by: its session, class, verdict, the path or host it is about, and every directory or
// domain around these. As numbers, for an index; whoever finds a record by them asks `matches` whether it is meant.
import { isIP } from 'node:net';
import type { Disposition, SessionRecord } from '../model/mod.ts';
import { classOf } from './kinds.ts';
import type { RecordClass } from './kinds.ts';
import { authorityOf } from './network-shapes.ts';

export interface RecordFilter {
  readonly session?: string;
  readonly class?: RecordClass;
  readonly verdict?: Disposition;
  /** Absolute: this object, or anything below. */
  readonly path?: string;
  /** Lower-case name without a trailing dot, and its subdomains; or an address. */
  readonly host?: string;
}

/** A term: 53 bits of a hash, so that it is a safe integer. */
export type Term = number;

/** Two multiplicative hashes side by side (FNV-1a's constants and Knuth's). */
class Hash {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;

  take(code: number): void {
    this.#a = Math.imul(this.#a ^ code, 0x01000193);
    this.#b = Math.imul(this.#b ^ code, 0x85ebca6b) ^ (this.#b >>> 13);
  }

  get term(): Term {
    return (this.#a >>> 0) * 2 ** 21 + (this.#b >>> 11);
  }
}

function whole(sort: string, text: string): Term {
  const hash = new Hash();
  hash.take(sort.charCodeAt(0));
  for (let i = 0; i < text.length; i++) hash.take(text.charCodeAt(i));
  return hash.term;
}

const slash = 0x2f;
const dot = 0x2e;

/** The path, and every directory it is in but the root. */
function pathTerms(path: string, terms: Term[]): void {
  const hash = new Hash();
  hash.take(0x70);
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === slash && i > 0) terms.push(hash.term);
    hash.take(code);
  }
  if (path.length > 1) terms.push(hash.term);
}

/** The name, and every domain it is in: read from its end. */
function hostTerms(host: string, terms: Term[]): void {
  if (isIP(host) !== 0) {
    terms.push(whole('h', host));
    return;
  }
  const hash = new Hash();
  hash.take(0x68);
  for (let i = host.length - 1; i >= 0; i--) {
    const code = host.charCodeAt(i);
    if (code === dot) terms.push(hash.term);
    hash.take(code);
  }
  if (host !== '') terms.push(hash.term);
}

const located: ReadonlySet<string> = new Set(['file', 'exec', 'socket']);
const networked: ReadonlySet<string> = new Set(['connect', 'name', 'http']);

function pathsOf({ kind, object, object2 }: SessionRecord): string[] {
  if (!located.has(kind)) return [];
  return [object, object2].filter((path): path is string => path?.startsWith('/') === true);
}

function hostsOf({ kind, object, object2 }: SessionRecord): string[] {
  if (!networked.has(kind)) return [];
  const authority = /^\S{1,32} https?:\/\/([^/\s]+)/.exec(object)?.[1] ?? object;
  const host = kind === 'name' ? object : authorityOf(authority)?.host;
  const address = object2 !== undefined && isIP(object2) !== 0 ? object2 : undefined;
  const all = [host?.toLowerCase(), address].filter((each) => each !== undefined && each !== '');
  return [...new Set(all as string[])];
}

/** Every term by which this record is found. */
export function termsOf(record: SessionRecord): Term[] {
  const terms = [whole('s', record.session), whole('c', classOf(record)), whole('v', record.disposition)];
  for (const path of pathsOf(record)) pathTerms(path, terms);
  for (const host of hostsOf(record)) hostTerms(host, terms);
  return terms;
}

/** Terms that a record must all have to match. */
export function termsOfFilter(filter: RecordFilter): Term[] {
  const terms: Term[] = [];
  if (filter.session !== undefined) terms.push(whole('s', filter.session));
  if (filter.class !== undefined) terms.push(whole('c', filter.class));
  if (filter.verdict !== undefined) terms.push(whole('v', filter.verdict));
  const around: Term[] = [];
  if (filter.path !== undefined) pathTerms(filter.path, around);
  terms.push(...around.splice(0).slice(-1));
  if (filter.host !== undefined) hostTerms(filter.host, around);
  terms.push(...around.slice(-1));
  return terms;
}

const isBelow = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
const isWithin = (host: string, domain: string): boolean => host === domain || host.endsWith(`.${domain}`);

export function matches(record: SessionRecord, filter: RecordFilter): boolean {
  const { path, host } = filter;
  return (
    (filter.session === undefined || record.session === filter.session) &&
    (filter.class === undefined || classOf(record) === filter.class) &&
    (filter.verdict === undefined || record.disposition === filter.verdict) &&
    (path === undefined || pathsOf(record).some((each) => isBelow(each, path))) &&
    (host === undefined || hostsOf(record).some((each) => isWithin(each, host)))
  );
}
