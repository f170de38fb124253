// The head of an HTTP/1 request: hostile bytes. Strict where servers and proxies are known to disagree (RFC 9112 sections
// 2.2, 3.2, 5.2, 6.3): what is odd is refused, never repaired. Never throws.

/** Bytes of a request head. */
export const maxHead = 16 * 1024;
const maxFields = 128;

export type Body =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' };

export interface RequestHead {
  readonly method: string;
  /** Path and query, as sent. */
  readonly target: string;
  /** Lower case, without port. */
  readonly host: string;
  /** As said in Host; undefined when it said none. */
  readonly port: number | undefined;
  readonly body: Body;
  /** Protocol of an Upgrade field, lower case. */
  readonly upgrade: string | undefined;
  /** Bytes of the head, the empty line included. */
  readonly size: number;
}

export type Head =
  | { readonly status: 'more' }
  | { readonly status: 'bad'; readonly reason: string }
  | { readonly status: 'ok'; readonly head: RequestHead };

const bad = (reason: string): Head => ({ status: 'bad', reason });
const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) (\S{1,8192}) HTTP\/1\.[01]$/;
const fieldLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}):[ \t]*(.*?)[ \t]*$/;
const end = Buffer.from('\r\n\r\n');

export function parseHead(bytes: Buffer): Head {
  const stop = bytes.indexOf(end);
  const text = bytes.latin1Slice(0, Math.min(stop < 0 ? bytes.length : stop, maxHead));
  if (/(^|[^\r])\n/.test(text) || /\r(?!\n|$)/.test(text)) return bad('a bare CR or LF');
  if (/[^\t\r\n\x20-\x7e\x80-\xff]/.test(text)) return bad('a control character');
  if (stop < 0)
    return bytes.length < maxHead ? { status: 'more' } : bad(`a head longer than ${maxHead} bytes`);
  if (stop + 4 > maxHead) return bad(`a head longer than ${maxHead} bytes`);
  const [first, ...lines] = text.split('\r\n');
  const line = requestLine.exec(first ?? '');
  if (line === null) return bad('a malformed request line');
  if (lines.length > maxFields) return bad('too many header fields');
  const fields = parseFields(lines);
  if (typeof fields === 'string') return bad(fields);
  return assemble(line[1]!, line[2]!, line[0].endsWith('1.0'), fields, stop + 4);
}

type Fields = ReadonlyMap<string, readonly string[]>;

function parseFields(lines: readonly string[]): Fields | string {
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    if (/^[ \t]/.test(line)) return 'a folded header line';
    const match = fieldLine.exec(line);
    if (match === null) return 'a malformed header line';
    const name = match[1]!.toLowerCase();
    const values = fields.get(name) ?? [];
    values.push(match[2]!);
    fields.set(name, values);
  }
  return fields;
}

function assemble(method: string, target: string, old: boolean, fields: Fields, size: number): Head {
  if (method.toUpperCase() === 'CONNECT') return bad('CONNECT: a tunnel inside a tunnel');
  if (!target.startsWith('/') && !(target === '*' && method === 'OPTIONS'))
    return bad('a request target that is not a path');
  const authority = parseHost(fields.get('host'));
  if (typeof authority === 'string') return bad(authority);
  const body = parseBody(fields);
  if (typeof body === 'string') return bad(body);
  // RFC 9112 section 6.1: the framing of such a message is faulty, and servers differ on where it ends.
  if (old && body.kind === 'chunked') return bad('a Transfer-Encoding in HTTP/1.0');
  const upgrade = fields.get('upgrade');
  return {
    status: 'ok',
    head: {
      method,
      target,
      ...authority,
      body,
      upgrade: upgrade === undefined ? undefined : upgrade.join(',').toLowerCase(),
      size,
    },
  };
}

function parseHost(
  values: readonly string[] | undefined,
): { host: string; port: number | undefined } | string {
  if (values === undefined) return 'no Host';
  if (values.length !== 1) return 'more than one Host';
  const value = values[0]!;
  if (value.includes('@')) return 'user information in Host';
  const match = /^(\[[0-9a-fA-F:.]{2,45}\]|[0-9A-Za-z._-]{1,253}?)\.?(?::(\d{1,5}))?$/.exec(value);
  if (match === null) return 'a malformed Host';
  const port = match[2] === undefined ? undefined : Number(match[2]);
  if (port !== undefined && (port < 1 || port > 65535)) return 'a malformed Host';
  return { host: match[1]!.replace(/^\[|\]$/g, '').toLowerCase(), port };
}

/** RFC 9112 section 6.3, without its leniency: both ways at once, or one of them twice, is how requests are smuggled. */
function parseBody(fields: Fields): Body | string {
  const length = fields.get('content-length');
  const coding = fields.get('transfer-encoding');
  if (length !== undefined && coding !== undefined) return 'Content-Length beside Transfer-Encoding';
  if (coding !== undefined)
    return coding.length === 1 && coding[0]!.toLowerCase() === 'chunked'
      ? { kind: 'chunked' }
      : 'a Transfer-Encoding other than chunked';
  if (length === undefined) return { kind: 'none' };
  if (length.length !== 1 || !/^\d{1,15}$/.test(length[0]!)) return 'a malformed Content-Length';
  const bytes = Number(length[0]);
  return bytes === 0 ? { kind: 'none' } : { kind: 'length', length: bytes };
}
