// struct sockaddr as a task passed it: copied once, bounded, parsed here.

export type Address =
  | {
      readonly family: 'inet';
      readonly version: 4 | 6;
      readonly address: string;
      readonly port: number;
      readonly loopback: boolean;
    }
  | { readonly family: 'unix'; readonly path: string }
  /** Abstract or unnamed: lives and dies with the network namespace. */
  | { readonly family: 'unix-abstract'; readonly name: string }
  | { readonly family: 'unspecified' }
  | { readonly family: 'netlink' }
  | { readonly family: 'other'; readonly number: number };

/** sizeof(struct sockaddr_storage) */
export const MAX_ADDRESS = 128;

const v4 = (b: Buffer, at: number): string => `${b[at]}.${b[at + 1]}.${b[at + 2]}.${b[at + 3]}`;

/** RFC 5952 is not needed: the canonical text only has to be one text for one address. v4-mapped becomes v4. */
function v6(bytes: Buffer, at: number): { address: string; version: 4 | 6 } {
  const mapped = bytes.subarray(at, at + 12).equals(Buffer.from('00000000000000000000ffff', 'hex'));
  if (mapped) return { address: v4(bytes, at + 12), version: 4 };
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i).toString(16));
  return { address: compress(groups), version: 6 };
}

/** Longest run of zero groups as `::` (the form that URL parsers and resolvers print). */
function compress(groups: readonly string[]): string {
  const text = groups.join(':');
  const runs = text.match(/(?:^|:)0(?::0)+(?=:|$)/g) ?? [];
  const longest = runs.reduce((a, b) => (b.length > a.length ? b : a), '');
  return longest === '' ? text : text.replace(longest, '::').replace(/:{3,}/, '::');
}

/** Of at least two bytes. */
export const familyOf = (bytes: Buffer): number => bytes.readUInt16LE(0);

/** undefined: too short for its family. */
export function parseAddress(bytes: Buffer): Address | undefined {
  if (bytes.length < 2) return undefined;
  const family = familyOf(bytes);
  switch (family) {
    case 0:
      return { family: 'unspecified' };
    case 1:
      return parseUnix(bytes);
    case 2:
      return bytes.length < 16
        ? undefined
        : parseInet(bytes.readUInt16BE(2), { address: v4(bytes, 4), version: 4 });
    case 10:
      return bytes.length < 24 ? undefined : parseInet(bytes.readUInt16BE(2), v6(bytes, 8));
    case 16:
      return { family: 'netlink' };
    default:
      return { family: 'other', number: family };
  }
}

function parseInet(port: number, of: { address: string; version: 4 | 6 }): Address {
  const any = of.address === '0.0.0.0' || of.address === '::';
  const loopback = any || of.address === '::1' || (of.version === 4 && of.address.startsWith('127.'));
  return { family: 'inet', ...of, port, loopback };
}

function parseUnix(bytes: Buffer): Address {
  if (bytes.length === 2 || bytes[2] === 0) return { family: 'unix-abstract', name: bytes.latin1Slice(3) };
  const end = bytes.indexOf(0, 2);
  return { family: 'unix', path: bytes.latin1Slice(2, end < 0 ? bytes.length : end) };
}
