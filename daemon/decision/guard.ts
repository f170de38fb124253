// The resolved-address guard: addresses that a name must not lead to, and that `*` never covers, unless the address
// itself is granted. Sources: the IANA IPv4 and IPv6 special-purpose address registries (RFC 6890), and the metadata
// addresses of AWS, Alibaba, Azure, Oracle and OpenStack. Forms that carry an IPv4 address inside an IPv6 one are
// unwrapped: a NAT64, 6to4 or Teredo spelling of a guarded address is guarded.
import { contains, parseAddress, parseCidr } from './address.ts';
import type { Address, Cidr } from './address.ts';

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(`guard table: ${text} is not a CIDR`);
  return parsed;
};

const metadata = ['169.254.169.254', '100.100.100.200', '168.63.129.16', '192.0.0.192', 'fd00:ec2::254'].map(
  cidr,
);

const table = (rows: readonly (readonly [string, string])[]): readonly (readonly [Cidr, string])[] =>
  rows.map(([range, reason]) => [cidr(range), reason]);

const ranges4 = table([
  ['0.0.0.0/8', 'unspecified or this-network address'],
  ['10.0.0.0/8', 'private address'],
  ['100.64.0.0/10', 'carrier-grade NAT address'],
  ['127.0.0.0/8', 'loopback address'],
  ['169.254.0.0/16', 'link-local address'],
  ['172.16.0.0/12', 'private address'],
  ['192.0.0.0/24', 'reserved address (IETF protocol assignments)'],
  ['192.0.2.0/24', 'reserved address (documentation)'],
  ['192.88.99.0/24', 'reserved address (6to4 relay)'],
  ['192.168.0.0/16', 'private address'],
  ['198.18.0.0/15', 'benchmarking address'],
  ['198.51.100.0/24', 'reserved address (documentation)'],
  ['203.0.113.0/24', 'reserved address (documentation)'],
  ['224.0.0.0/4', 'multicast address'],
  ['240.0.0.0/4', 'reserved or broadcast address'],
]);

const ranges6 = table([
  ['::/128', 'unspecified address'],
  ['::1/128', 'loopback address'],
  ['::/96', 'reserved address (IPv4-compatible)'],
  ['64:ff9b:1::/48', 'private address (local NAT64)'],
  ['100::/64', 'reserved address (discard-only)'],
  ['2001:2::/48', 'benchmarking address'],
  ['2001:10::/28', 'reserved address (ORCHID)'],
  ['2001:20::/28', 'reserved address (ORCHIDv2)'],
  ['2001:db8::/32', 'reserved address (documentation)'],
  ['3fff::/20', 'reserved address (documentation)'],
  ['5f00::/16', 'reserved address (segment routing)'],
  ['fc00::/7', 'private address (unique local)'],
  ['fe80::/10', 'link-local address'],
  ['fec0::/10', 'private address (site-local)'],
  ['ff00::/8', 'multicast address'],
]);

const quad = (high: number, low: number): Address => ({ version: 4, words: [high, low] });

/** IPv4 addresses that an IPv6 address carries, with the name of the form. */
function embedded(words: readonly number[]): readonly (readonly [Address, string])[] {
  const [w0, w1, w2, w3, w4, w5, w6, w7] = words as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const last = quad(w6, w7);
  const out: (readonly [Address, string])[] = [];
  // 64:ff9b::/96, RFC 6052
  if (w0 === 0x64 && w1 === 0xff9b && (w2 | w3 | w4 | w5) === 0) out.push([last, 'NAT64']);
  // 2002::/16, RFC 3056
  if (w0 === 0x2002) out.push([quad(w1, w2), '6to4']);
  // 2001::/32, RFC 4380: the server, then the client with every bit flipped
  if (w0 === 0x2001 && w1 === 0)
    out.push([quad(w2, w3), 'Teredo'], [quad(w6 ^ 0xffff, w7 ^ 0xffff), 'Teredo']);
  // ISATAP interface identifier, RFC 5214
  if ((w4 & 0xfdff) === 0 && w5 === 0x5efe) out.push([last, 'ISATAP']);
  // ::ffff:0:0/96, RFC 2765 (IPv4-translated)
  if ((w0 | w1 | w2 | w3) === 0 && w4 === 0xffff && w5 === 0) out.push([last, 'IPv4-translated']);
  // ::a.b.c.d, deprecated IPv4-compatible
  if ((w0 | w1 | w2 | w3 | w4 | w5) === 0 && (w6 | w7) > 1) out.push([last, 'IPv4-compatible']);
  return out;
}

/** True for the addresses where clouds hand out credentials; these need a grant of exactly that address. */
export const isMetadata = (address: Address): boolean => metadata.some((entry) => contains(entry, address));

export function isMetadataAddress(text: string): boolean {
  const address = parseAddress(text);
  if (!address) return false;
  return (
    isMetadata(address) ||
    (address.version === 6 && embedded(address.words).some(([inner]) => isMetadata(inner)))
  );
}

export function guardedReasonOf(address: Address): string | undefined {
  if (isMetadata(address)) return 'cloud metadata address';
  const ranges = address.version === 4 ? ranges4 : ranges6;
  if (address.version === 6) {
    for (const [inner, form] of embedded(address.words)) {
      const reason = guardedReasonOf(inner);
      if (reason !== undefined) return `${reason} (${form} form)`;
    }
  }
  for (const [range, reason] of ranges) if (contains(range, address)) return reason;
  return undefined;
}

/** Why an address is guarded, or undefined for an ordinary public address. What is not an address is guarded. */
export function guardedReason(address: string): string | undefined {
  const parsed = parseAddress(address);
  return parsed ? guardedReasonOf(parsed) : 'not an address';
}
