// The server name of a TLS ClientHello: hostile bytes, maybe in pieces. RFC 8446 section 4.1.2 and 5.1, RFC 6066 section 3.
// Strict: every length must come out exactly. Never throws and never reads outside its input.

/** Bytes of a ClientHello that are waited for. Post-quantum key shares make about 1.8 KB. */
export const maxHello = 16 * 1024;

export type Hello =
  | { readonly status: 'more' }
  | { readonly status: 'bad'; readonly reason: string }
  | {
      readonly status: 'ok';
      /** Lower case; undefined when the client named none. */
      readonly name: string | undefined;
      readonly alpn: readonly string[];
      /** Carries an encrypted ClientHello: the name that counts is hidden (or GREASE, which looks the same). */
      readonly encrypted: boolean;
    };

const more: Hello = { status: 'more' };
const bad = (reason: string): Hello => ({ status: 'bad', reason });

const recordHandshake = 22;
const messageClientHello = 1;
const extensionName = 0;
const extensionAlpn = 16;
const extensionEncryptedHello = 0xfe0d;

export const looksLikeTls = (bytes: Buffer): boolean => bytes[0] === recordHandshake;

/** `bytes`: what the client sent so far, from its first byte. */
export function parseHello(bytes: Buffer): Hello {
  const message = handshakeBytes(bytes);
  if (!Buffer.isBuffer(message)) return message;
  if (message.length < 4) return more;
  if (message[0] !== messageClientHello) return bad('the first TLS message is not a ClientHello');
  const length = message.readUIntBE(1, 3);
  if (length + 4 > maxHello) return bad('a ClientHello that is too long');
  if (message.length < 4 + length) return more;
  if (message.length > 4 + length) return bad('more after the ClientHello before the server answered');
  return parseBody(message.subarray(4));
}

/** The handshake bytes of the records that are here; a verdict instead when there is nothing to read or it is malformed. */
function handshakeBytes(bytes: Buffer): Buffer | Hello {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] !== recordHandshake) return bad('not a TLS handshake record');
    if (at + 5 > bytes.length) break;
    if (bytes[at + 1] !== 3) return bad('not a TLS version');
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > 16384) return bad('a TLS record of impossible length');
    // The last record may be unfinished: its bytes are read when it is whole.
    if (at + 5 + length > bytes.length) break;
    parts.push(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return Buffer.concat(parts);
}

/** A cursor that answers undefined instead of reading past the end. */
class Cursor {
  private at = 0;
  private readonly bytes: Buffer;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  ended(): boolean {
    return this.at === this.bytes.length;
  }
  number(size: 1 | 2): number | undefined {
    if (this.at + size > this.bytes.length) return undefined;
    const value = this.bytes.readUIntBE(this.at, size);
    this.at += size;
    return value;
  }
  take(length: number | undefined): Buffer | undefined {
    if (length === undefined || this.at + length > this.bytes.length) return undefined;
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
  vector(size: 1 | 2): Buffer | undefined {
    return this.take(this.number(size));
  }
}

function parseBody(body: Buffer): Hello {
  const cursor = new Cursor(body);
  const fixed = cursor.take(34);
  const session = cursor.vector(1);
  const suites = cursor.vector(2);
  const compression = cursor.vector(1);
  if (!fixed || !session || session.length > 32 || !suites || suites.length < 2 || suites.length % 2 !== 0)
    return bad('a malformed ClientHello');
  if (!compression || compression.length < 1) return bad('a malformed ClientHello');
  if (cursor.ended()) return { status: 'ok', name: undefined, alpn: [], encrypted: false };
  const extensions = cursor.vector(2);
  if (!extensions || !cursor.ended()) return bad('malformed extensions in a ClientHello');
  return parseExtensions(new Cursor(extensions));
}

function parseExtensions(cursor: Cursor): Hello {
  const seen = new Set<number>();
  let name: string | undefined;
  let alpn: readonly string[] = [];
  while (!cursor.ended()) {
    const type = cursor.number(2);
    const data = cursor.vector(2);
    if (type === undefined || !data) return bad('malformed extensions in a ClientHello');
    if (seen.has(type)) return bad('an extension twice in a ClientHello');
    seen.add(type);
    if (type === extensionName) {
      name = serverName(data);
      if (name === undefined) return bad('a malformed server name in a ClientHello');
    } else if (type === extensionAlpn) {
      const protocols = alpnOf(data);
      if (protocols === undefined) return bad('a malformed ALPN list in a ClientHello');
      alpn = protocols;
    }
  }
  return { status: 'ok', name, alpn, encrypted: seen.has(extensionEncryptedHello) };
}

/** Exactly one entry, of type host_name. Whether it is a host name is the caller's question. */
function serverName(data: Buffer): string | undefined {
  const outer = new Cursor(data);
  const list = outer.vector(2);
  if (!list || !outer.ended()) return undefined;
  const inner = new Cursor(list);
  const type = inner.number(1);
  const name = inner.vector(2);
  if (type !== 0 || !name || !inner.ended() || name.length === 0 || name.length > 253) return undefined;
  return name.latin1Slice().toLowerCase();
}

function alpnOf(data: Buffer): readonly string[] | undefined {
  const outer = new Cursor(data);
  const list = outer.vector(2);
  if (!list || !outer.ended()) return undefined;
  const inner = new Cursor(list);
  const protocols: string[] = [];
  while (!inner.ended()) {
    const protocol = inner.vector(1);
    if (!protocol || protocol.length === 0) return undefined;
    if (protocols.length < 16) protocols.push(protocol.latin1Slice().replace(/[^\x21-\x7e]/g, '?'));
  }
  return protocols;
}
