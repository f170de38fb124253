// Addresses in one spelling. Everything that is compared (pins, flows, grants) goes through `canonical` first.
import { isIP, SocketAddress } from 'node:net';

/** Canonical text, v4-mapped folded to v4, no zone; undefined when it is not an address. */
export function canonical(text: string): string | undefined {
  const family = isIP(text);
  if (family === 0) return undefined;
  if (family === 4) return text;
  const address = new SocketAddress({ address: text, family: 'ipv6' }).address;
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/.exec(address);
  return mapped?.[1] ?? address;
}

export const familyOf = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4);

/** `host:port`, with brackets round an IPv6 address. */
export const hostPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Letters, digits, hyphen and underscore; labels 1..63; 253 in all. Underscore: in use, and harmless. */
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** A name whose last label is a number (decimal, octal or 0x hex) is an address in disguise (URL standard, "ends in a number"). */
const numeric = /^(?:\d+|0x[0-9a-f]*)$/;

/** True for a host name in the one form we compare: lower case, no trailing dot, and not an address in any spelling. */
export function isHostName(name: string): boolean {
  if (name.length === 0 || name.length > 253) return false;
  const labels = name.split('.');
  return labels.every((part) => label.test(part)) && !numeric.test(labels.at(-1)!);
}
