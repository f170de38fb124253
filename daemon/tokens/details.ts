// What a token permits: RFC 9396 authorization_details of Cordon's types, read strictly. Several details permit what any
// one of them permits. One spelling for everything that is compared: lower-case hosts, sorted lists, paths as sent.
import { fieldsOf, integerOf, listOf, oneOf, textOf, wordsOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { TokenRefused } from './refusal.ts';

export const httpMethods = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'] as const;
export type HttpMethod = (typeof httpMethods)[number];
export const rowActions = ['delete', 'insert', 'select', 'update'] as const;
export type RowAction = (typeof rowActions)[number];

/** Requests. `path` is one path, or ends in `/*` and means everything below it. The query is not looked at. */
export interface HttpDetail {
  readonly type: 'http';
  readonly methods: readonly HttpMethod[];
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

/** The one file with this digest (SHA-256, hex, of the body as sent) to this one URL. */
export interface FileUploadDetail {
  readonly type: 'file.upload';
  readonly sha256: string;
  readonly destination: string;
  /** Bytes. */
  readonly size?: number;
}

/** Rows in which every column of `key` has this value. */
export interface DbRowDetail {
  readonly type: 'db.row';
  readonly database: string;
  readonly table: string;
  readonly actions: readonly RowAction[];
  readonly key: Readonly<Record<string, string | number>>;
}

export interface ToolCallDetail {
  readonly type: 'tool.call';
  readonly tool: string;
  /** Of the arguments' canonical JSON (RFC 8785), hex; without it, any arguments. */
  readonly argumentsSha256?: string;
}

export interface ExecDetail {
  readonly type: 'exec';
  /** Absolute and normalised. */
  readonly path: string;
  /** Of the words, each followed by NUL, hex; without it, any words. */
  readonly argvSha256?: string;
}

export type Detail = HttpDetail | FileUploadDetail | DbRowDetail | ToolCallDetail | ExecDetail;

export const maxDetails = 16;
const types = ['http', 'file.upload', 'db.row', 'tool.call', 'exec'] as const;
const host =
  /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const ipv6 = /^[0-9a-f:.]{2,45}$/;
/** RFC 3986 pchar, without `*`, which is ours. */
const path = /^\/(?:[A-Za-z0-9._~!$&'()+,;=:@/-]|%[0-9A-Fa-f]{2})*\*?$/;
const hex = /^[0-9a-f]{64}$/;
const name = /^[A-Za-z0-9_][A-Za-z0-9_.$-]*$/;

/** Servers disagree on what these mean, so no path that has them is compared with anything. */
export const isAmbiguousPath = (text: string): boolean =>
  /\/\/|\/\.{1,2}(?:\/|$)|%2e|%2f|%5c|%00|\\/i.test(text);

export function detailsOf(value: unknown): readonly Detail[] {
  const list = listOf(new Map([['authorization_details', value]]), 'authorization_details', maxDetails);
  return list.map(detailOf);
}

function detailOf(value: unknown): Detail {
  const type = oneOf(new Map(Object.entries(value ?? {})), 'type', types);
  switch (type) {
    case 'http':
      return httpDetail(fieldsOf(value, type, ['type', 'methods', 'host', 'port', 'path']));
    case 'file.upload':
      return uploadDetail(fieldsOf(value, type, ['type', 'sha256', 'destination', 'size']));
    case 'db.row':
      return rowDetail(fieldsOf(value, type, ['type', 'database', 'table', 'actions', 'key']));
    case 'tool.call':
      return toolDetail(fieldsOf(value, type, ['type', 'tool', 'arguments_sha256']));
    case 'exec':
      return execDetail(fieldsOf(value, type, ['type', 'path', 'argv_sha256']));
  }
}

const isHost = (text: string): boolean => host.test(text) || (text.includes(':') && ipv6.test(text));

function httpDetail(from: Fields): HttpDetail {
  const named = textOf(from, 'host', 253);
  if (!isHost(named))
    throw new TokenRefused('schema', 'host is not a host name in lower case, or an address');
  const target = textOf(from, 'path', 2048, path);
  if (isAmbiguousPath(target) || (target.endsWith('*') && !target.endsWith('/*')))
    throw new TokenRefused('schema', 'path has dots, double slashes or a star that is not a last /*');
  return {
    type: 'http',
    methods: wordsOf(from, 'methods', httpMethods),
    host: named,
    port: integerOf(from, 'port', 1, 65535),
    path: target,
  };
}

function uploadDetail(from: Fields): FileUploadDetail {
  const destination = textOf(from, 'destination', 2048);
  destinationOf(destination);
  const size = from.has('size') ? { size: integerOf(from, 'size', 0, Number.MAX_SAFE_INTEGER) } : {};
  return { type: 'file.upload', sha256: textOf(from, 'sha256', 64, hex), destination, ...size };
}

export interface Destination {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

/** A URL in its one spelling: lower case, no default port, no user, query or fragment. */
export function destinationOf(text: string): Destination {
  const match = /^(https?):\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([1-9]\d{0,4}))?(\/[^?#*]*)$/.exec(text);
  const [, scheme, authority = '', given, target = ''] = match ?? [];
  const usual = scheme === 'https' ? 443 : 80;
  const port = given === undefined ? usual : Number(given);
  const named = authority.replace(/^\[|\]$/g, '');
  const plain = path.test(target) && !isAmbiguousPath(target) && isHost(named);
  if (!plain || port > 65535 || (given !== undefined && port === usual))
    throw new TokenRefused(
      'schema',
      'destination is not a plain http or https URL',
      'http://host[:port]/path, nothing else',
    );
  return { scheme: scheme === 'https' ? 'https' : 'http', host: named, port, path: target };
}

const maxColumns = 8;

function rowDetail(from: Fields): DbRowDetail {
  const given = from.get('key');
  const columns = Object.entries((typeof given === 'object' && !Array.isArray(given) ? given : {}) ?? {});
  if (columns.length === 0 || columns.length > maxColumns)
    throw new TokenRefused('schema', `key is not an object of 1 to ${maxColumns} columns`);
  for (const [column, value] of columns)
    if (!name.test(column) || column.length > 64 || !isKeyValue(value))
      throw new TokenRefused('schema', 'a column of key is not a name with a text or a whole number');
  columns.sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    type: 'db.row',
    database: textOf(from, 'database', 64, name),
    table: textOf(from, 'table', 128, name),
    actions: wordsOf(from, 'actions', rowActions),
    key: Object.fromEntries(columns as [string, string | number][]),
  };
}

const isKeyValue = (value: unknown): boolean =>
  Number.isSafeInteger(value) || (typeof value === 'string' && value.length <= 256);

function toolDetail(from: Fields): ToolCallDetail {
  const tool = textOf(from, 'tool', 128, /^[A-Za-z0-9_][A-Za-z0-9_.:/-]*$/);
  if (!from.has('arguments_sha256')) return { type: 'tool.call', tool };
  return { type: 'tool.call', tool, argumentsSha256: textOf(from, 'arguments_sha256', 64, hex) };
}

function execDetail(from: Fields): ExecDetail {
  const program = textOf(from, 'path', 4096);
  if (!program.startsWith('/') || /\/\.{0,2}(?:\/|$)/.test(program))
    throw new TokenRefused('schema', 'path is not absolute and normalised');
  if (!from.has('argv_sha256')) return { type: 'exec', path: program };
  return { type: 'exec', path: program, argvSha256: textOf(from, 'argv_sha256', 64, hex) };
}

/** As they stand in the token. */
export function detailJson(detail: Detail): Readonly<Record<string, unknown>> {
  if (detail.type === 'tool.call') {
    const { argumentsSha256, ...rest } = detail;
    return argumentsSha256 === undefined ? rest : { ...rest, arguments_sha256: argumentsSha256 };
  }
  if (detail.type === 'exec') {
    const { argvSha256, ...rest } = detail;
    return argvSha256 === undefined ? rest : { ...rest, argv_sha256: argvSha256 };
  }
  return { ...detail };
}

/** In a few words, for records and lists. */
export function detailText(detail: Detail): string {
  switch (detail.type) {
    case 'http':
      return `${detail.methods.join(',')} ${detail.host}:${detail.port}${detail.path}`;
    case 'file.upload':
      return `upload ${detail.sha256.slice(0, 12)}… to ${detail.destination}`;
    case 'db.row':
      return `${detail.actions.join(',')} ${detail.database}.${detail.table} ${JSON.stringify(detail.key)}`;
    case 'tool.call':
      return `tool ${detail.tool}`;
    case 'exec':
      return `exec ${detail.path}`;
  }
}
