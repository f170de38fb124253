// IPv4 and IPv6 addresses from text, strictly: decimal dotted quads without leading zeros, RFC 4291 IPv6 (with an
// embedded quad, without a zone). Other spellings (0x7f.1, 017700000001, 127.1) are not addresses here: they are
// names, and a name has to be resolved and pass the guard like every other name.

/** 16-bit words: 2 for IPv4, 8 for IPv6. v4-mapped IPv6 is folded to IPv4. */
export interface Address {
  readonly version: 4 | 6;
  readonly words: readonly number[];
}

export interface Cidr {
  readonly address: Address;
  /** Bits: 0..32 or 0..128. */
  readonly prefix: number;
}

const zero = 48;
const nine = 57;

function parseQuad(text: string): number[] | undefined {
  const out: number[] = [];
  let value = -1;
  let digits = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? 46 : text.charCodeAt(i);
    if (code === 46) {
      if (value < 0 || out.length === 4) return undefined;
      out.push(value);
      value = -1;
      digits = 0;
    } else if (code >= zero && code <= nine) {
      if (value === 0 || digits === 3) return undefined;
      value = (value < 0 ? 0 : value) * 10 + code - zero;
      digits++;
      if (value > 255) return undefined;
    } else return undefined;
  }
  return out.length === 4 ? out : undefined;
}

function quadWords(text: string): number[] | undefined {
  const quad = parseQuad(text);
  return quad && [(quad[0]! << 8) | quad[1]!, (quad[2]! << 8) | quad[3]!];
}

const group = /^[0-9a-f]{1,4}$/i;

function parseGroups(text: string, allowQuad: boolean): number[] | undefined {
  if (text === '') return [];
  const words: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (group.test(part)) words.push(Number.parseInt(part, 16));
    else {
      const quad = allowQuad && i === parts.length - 1 ? quadWords(part) : undefined;
      if (!quad) return undefined;
      words.push(...quad);
    }
  }
  return words;
}

function parseSix(text: string): number[] | undefined {
  const gap = text.indexOf('::');
  if (gap < 0) {
    const words = parseGroups(text, true);
    return words?.length === 8 ? words : undefined;
  }
  const head = parseGroups(text.slice(0, gap), false);
  const tail = parseGroups(text.slice(gap + 2), true);
  if (!head || !tail || head.length + tail.length > 7) return undefined;
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

/** undefined when the text is not an address. At most 45 characters are looked at. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > 45 || text.length < 2) return undefined;
  if (!text.includes(':')) {
    const words = quadWords(text);
    return words && { version: 4, words };
  }
  const words = parseSix(text);
  if (!words) return undefined;
  const mapped = words[5] === 0xffff && !words[0] && !words[1] && !words[2] && !words[3] && !words[4];
  return mapped ? { version: 4, words: words.slice(6) } : { version: 6, words };
}

/** `10.0.0.0/8`, `fc00::/7`; a bare address has its full length. Bits after the prefix must be zero. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!address) return undefined;
  const bits = address.words.length * 16;
  if (slash < 0) return { address, prefix: bits };
  const tail = text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(tail)) return undefined;
  // A v4-mapped CIDR was folded: its length counts the 96 bits that are gone.
  const prefix = Number(tail) - (address.version === 4 && text.includes(':') ? 96 : 0);
  if (prefix < 0 || prefix > bits) return undefined;
  const masked = maskWords(address.words, prefix);
  return masked.every((word, i) => word === address.words[i]) ? { address, prefix } : undefined;
}

export function maskWords(words: readonly number[], prefix: number): number[] {
  return words.map((word, i) => {
    const keep = Math.min(16, Math.max(0, prefix - i * 16));
    return word & (0xffff << (16 - keep)) & 0xffff;
  });
}

export function contains(cidr: Cidr, address: Address): boolean {
  if (cidr.address.version !== address.version) return false;
  for (let i = 0, left = cidr.prefix; left > 0; i++, left -= 16) {
    const mask = left >= 16 ? 0xffff : (0xffff << (16 - left)) & 0xffff;
    if (((cidr.address.words[i]! ^ address.words[i]!) & mask) !== 0) return false;
  }
  return true;
}

/** RFC 5952 text (longest run of two or more zero words shortened), v4-mapped folded to IPv4. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address && formatAddress(address);
}

export function formatAddress(address: Address): string {
  const { words } = address;
  if (address.version === 4) return words.flatMap((word) => [word >> 8, word & 255]).join('.');
  const { start, length } = longestZeroRun(words);
  const hex = words.map((word) => word.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeroRun(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let i = 0; i < words.length; i++) {
    let end = i;
    while (words[end] === 0) end++;
    if (end - i > best.length) best = { start: i, length: end - i };
    i = Math.max(i, end);
  }
  return best;
}
