// Where records go: `records.sinks` of the settings, a mapping of names to sinks. Files that a sink names are read here.
import { fstatSync, openSync, readSync, closeSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { isSecretName, secretNameRule } from '../model/mod.ts';
import type { CordonError, SinkSecrets, SinkSettings } from '../model/mod.ts';
import { invalid } from './yaml-document.ts';
import type { Entry } from './yaml-document.ts';
import { bytesOf, millisecondsOf } from './units.ts';

/** Reads a value or says what was expected instead. */
type Read<T> = (value: unknown) => T | Expected;
interface Expected {
  readonly expected: string;
}
const expected = (what: string): Expected => ({ expected: what });
const isExpected = (value: unknown): value is Expected =>
  typeof value === 'object' && value !== null && 'expected' in value;

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** The keys of one sink: each is taken once, and what nobody took is an error. */
class Keys {
  readonly #file: string;
  readonly #path: string;
  readonly #entries: Map<string, Entry>;
  readonly #line: number;
  readonly #taken: string[] = [];

  constructor(file: string, path: string, line: number, entries: readonly Entry[]) {
    this.#file = file;
    this.#path = path;
    this.#line = line;
    this.#entries = new Map(entries.map((entry) => [entry.key, entry]));
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Without taking it. */
  peek(key: string): unknown {
    return this.#entries.get(key)?.value;
  }

  entry(key: string): Entry | undefined {
    this.#taken.push(key);
    return this.#entries.get(key);
  }

  wrong(key: string, what: string): CordonError {
    const line = this.#entries.get(key)?.line ?? this.#line;
    return invalid(this.#file, line, key === '' ? this.#path : `${this.#path}.${key}`, what);
  }

  optional<T>(key: string, read: Read<T>): T | undefined {
    const entry = this.entry(key);
    if (entry === undefined) return undefined;
    const value = read(entry.value);
    if (isExpected(value)) throw this.wrong(key, `expected ${value.expected}`);
    return value;
  }

  required<T>(key: string, read: Read<T>): T {
    const value = this.optional(key, read);
    if (value === undefined) throw this.wrong('', `${key} is missing`);
    return value;
  }

  inner(key: string): Keys | undefined {
    const entry = this.entry(key);
    if (entry === undefined) return undefined;
    const entries = entry.entries();
    if (entries === undefined) throw this.wrong(key, 'expected a mapping');
    return new Keys(this.#file, `${this.#path}.${key}`, entry.line, entries);
  }

  /** Call last. */
  done(): void {
    for (const key of this.#entries.keys())
      if (!this.#taken.includes(key))
        throw this.wrong(key, `no such setting here; there are ${this.#taken.join(', ')}`);
  }
}

const text =
  (what: string, pattern: RegExp): Read<string> =>
  (value) =>
    isText(value) && pattern.test(value) ? value : expected(what);
const texts =
  (what: string, pattern: RegExp): Read<readonly string[]> =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every((one) => isText(one) && pattern.test(one))
      ? (value as string[])
      : expected(what);
const oneOfEach =
  <T extends string>(allowed: readonly T[]): Read<readonly T[]> =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every((one) => allowed.includes(one as T))
      ? (value as T[])
      : expected(`a list of ${allowed.join(', ')}`);
const whole =
  (from: number, to: number): Read<number> =>
  (value) =>
    Number.isInteger(value) && Number(value) >= from && Number(value) <= to
      ? Number(value)
      : expected(`a whole number from ${from} to ${to}`);
const truth: Read<boolean> = (value) => (typeof value === 'boolean' ? value : expected('true or false'));
const size =
  (from: number): Read<number> =>
  (value) => {
    const bytes = bytesOf(value);
    return bytes !== undefined && bytes >= from
      ? bytes
      : expected(`a size of at least ${from} bytes, such as 64MiB`);
  };
const rate: Read<number> = (value) => {
  const bytes = isText(value) && value.endsWith('/s') ? bytesOf(value.slice(0, -2)) : undefined;
  return bytes !== undefined && bytes >= 1024 ? bytes : expected('a rate of at least 1KiB/s');
};
const span =
  (from: number, to: number): Read<number> =>
  (value) => {
    const found = millisecondsOf(value);
    return found !== undefined && found >= from && found <= to
      ? found
      : expected(`a time from ${from / 1000}s to ${to / 1000}s, such as 1d`);
  };
const absolutePath: Read<string> = (value) =>
  isText(value) && isAbsolute(value) ? value : expected('an absolute path');

const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** Records are sent in the clear to this machine only, unless the settings insist. */
function url(schemes: readonly string[], plain: boolean): Read<string> {
  const what = `a URL (${schemes.join(', ')}) without user, password and fragment`;
  return (value) => {
    if (!isText(value) || !URL.canParse(value)) return expected(what);
    const { protocol, username, password, hash, hostname } = new URL(value);
    if (!schemes.includes(protocol) || username !== '' || password !== '' || hash !== '' || hostname === '')
      return expected(what);
    if ((protocol === 'http:' || protocol === 'nats:') && !plain && !loopback.test(hostname))
      return expected(`encryption to another machine (https:, tls:), or unencrypted: true beside it`);
    return value;
  };
}

const maxFile = 256 * 1024;

/** `{ secret: NAME }`: what stands in place of a file is in the vault. Undefined: it is not. */
function secretName(keys: Keys, key: string): string | undefined {
  const given = keys.peek(key);
  if (typeof given !== 'object' || given === null || !('secret' in given)) return undefined;
  return keys.optional(key, (value) => {
    const { secret, ...more } = value as Readonly<Record<string, unknown>>;
    return isSecretName(secret) && Object.keys(more).length === 0
      ? secret
      : expected(`a file, or { secret: NAME } with ${secretNameRule}`);
  });
}

/** `secret`: nobody but root may read it, or what it protects is everybody's. */
function fileContents(keys: Keys, key: string, secret: boolean): Uint8Array | undefined {
  const path = keys.optional(key, absolutePath);
  if (path === undefined) return undefined;
  try {
    const fd = openSync(path, 'r');
    try {
      const facts = fstatSync(fd);
      if (!facts.isFile() || facts.size > maxFile)
        throw keys.wrong(key, `${path} is not a file of at most ${maxFile} bytes`);
      if (secret && (facts.mode & 0o077) !== 0)
        throw keys.wrong(key, `${path} can be read by others: chmod 600 ${path}`);
      const contents = Buffer.alloc(facts.size);
      return contents.subarray(0, readSync(fd, contents, 0, facts.size, 0));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'config-invalid') throw error;
    throw keys.wrong(key, `cannot read ${path}: ${code ?? String(error)}`);
  }
}

/** Without the line end that editors put there. */
function tokenFile(keys: Keys): Uint8Array | undefined {
  const bytes = fileContents(keys, 'token-file', true);
  if (bytes === undefined) return undefined;
  const token = Buffer.from(bytes).toString('latin1').trim();
  if (!/^[\x21-\x7e]+$/.test(token)) throw keys.wrong('token-file', 'holds no token: one word of ASCII');
  return Buffer.from(token, 'latin1');
}

const defined = <T extends object>(value: { [K in keyof T]: T[K] | undefined }): T =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T;

function common(keys: Keys, name: string) {
  return {
    name,
    filter: defined<SinkSettings['filter']>({
      classes: keys.optional('classes', texts('a list of classes of records', /^[a-z]{1,32}$/)),
      verdicts: keys.optional(
        'verdicts',
        oneOfEach(['allowed', 'denied', 'would-deny', 'observed'] as const),
      ),
      sessions: keys.optional('sessions', texts('a list of sessions', /^[a-z0-9]{1,64}$/)),
    }),
    batch: keys.optional('batch', whole(1, 4096)) ?? 512,
    bandwidth: keys.optional('bandwidth', rate) ?? 0,
    battery: keys.optional('pause-below-battery', whole(0, 100)) ?? 0,
  };
}

function network(keys: Keys, plain: boolean, credentials?: string) {
  const secrets = defined<SinkSecrets>({
    key: secretName(keys, 'key'),
    token: secretName(keys, 'token-file'),
    credentials,
  });
  const tls = defined<{ ca?: Uint8Array; certificate?: Uint8Array; key?: Uint8Array }>({
    ca: fileContents(keys, 'ca', false),
    certificate: fileContents(keys, 'certificate', false),
    key: secrets.key === undefined ? fileContents(keys, 'key', true) : undefined,
  });
  if ((tls.certificate === undefined) !== (tls.key === undefined && secrets.key === undefined))
    throw keys.wrong('certificate', 'certificate and key go together');
  const token = secrets.token === undefined ? tokenFile(keys) : undefined;
  const witness = witnessOf(keys.inner('witness'), plain);
  return {
    tls,
    timeout: keys.optional('timeout', span(1000, 600_000)) ?? 30_000,
    ...(token === undefined ? {} : { token }),
    ...(Object.keys(secrets).length === 0 ? {} : { secrets }),
    ...(witness === undefined ? {} : { witness }),
  };
}

function witnessOf(keys: Keys | undefined, plain: boolean) {
  if (keys === undefined) return undefined;
  const witness = {
    url: keys.required('url', url(['https:', 'http:'], plain)),
    key: keys.required(
      'key',
      text('a verifier key: name+id+base64', /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{40,}=*$/),
    ),
  };
  keys.done();
  return witness;
}

const isHeaders: Read<Readonly<Record<string, string>>> = (value) =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.entries(value).every(
    ([name, one]) =>
      /^[A-Za-z0-9-]+$/.test(name) &&
      !/^(?:authorization|content-.*|host|transfer-encoding|connection)$/i.test(name) &&
      isText(one) &&
      /^[\x20-\x7e]+$/.test(one),
  )
    ? (value as Record<string, string>)
    : expected('a mapping of header names to texts; authorization goes into token-file');

function sinkOf(name: string, keys: Keys): SinkSettings {
  const kinds = ['otlp', 'nats', 'directory'].filter((key) => keys.has(key));
  if (kinds.length !== 1) throw keys.wrong('', 'expected one of otlp, nats, directory');
  if (kinds[0] === 'directory')
    return {
      kind: 'file',
      directory: keys.required('directory', absolutePath),
      rotateSize: keys.optional('rotate-size', size(4096)) ?? 64 * 2 ** 20,
      rotateAge: keys.optional('rotate-age', span(1000, 366 * 86_400_000)) ?? 86_400_000,
      keep: keys.optional('keep', whole(2, 10_000)) ?? 10,
      ...common(keys, name),
    };
  const plain = keys.optional('unencrypted', truth) ?? false;
  if (kinds[0] === 'otlp')
    return {
      kind: 'otlp',
      url: keys.required('otlp', url(['https:', 'http:'], plain)),
      headers: keys.optional('headers', isHeaders) ?? {},
      ...common(keys, name),
      ...network(keys, plain),
    };
  const named = secretName(keys, 'credentials');
  const credentials = named === undefined ? fileContents(keys, 'credentials', true) : undefined;
  return {
    kind: 'nats',
    servers: keys.required('nats', (value) => serverList(value, plain)),
    stream: keys.required('stream', text('the name of a stream', /^[A-Za-z0-9_-]{1,128}$/)),
    subject:
      keys.optional(
        'subject',
        text('a subject without wildcards', /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/),
      ) ?? 'cordon.records',
    create: keys.optional('create', truth) ?? false,
    window: keys.optional('window', whole(1, 1024)) ?? 128,
    ...(credentials === undefined ? {} : { credentials }),
    ...common(keys, name),
    ...network(keys, plain, named),
  };
}

function serverList(value: unknown, plain: boolean): readonly string[] | Expected {
  const list = Array.isArray(value) ? (value as unknown[]) : [value];
  const read = list.map(url(['nats:', 'tls:'], plain));
  return read.find(isExpected) ?? (read as string[]);
}

const maxSinks = 16;

/** The value of `records.sinks`. Every error names file, line and key. */
export function parseSinks(file: string, entry: Entry): readonly SinkSettings[] {
  const path = `records.${entry.key}`;
  const entries = entry.entries();
  if (entries === undefined) throw invalid(file, entry.line, path, 'expected a mapping of names to sinks');
  if (entries.length > maxSinks)
    throw invalid(file, entry.line, path, `there are more than ${maxSinks} sinks`);
  return entries.map((sink) => {
    const at = `${path}.${sink.key}`;
    if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(sink.key))
      throw invalid(file, sink.line, at, 'a name is lower-case letters, digits and dashes, at most 32');
    const inner = sink.entries();
    if (inner === undefined) throw invalid(file, sink.line, at, 'expected a mapping');
    const keys = new Keys(file, at, sink.line, inner);
    const settings = sinkOf(sink.key, keys);
    keys.done();
    return settings;
  });
}
