// Destinations as profiles write them: `name:port`, `*.name:port`, `*:port`, `address:port`, `range/bits:port`,
// `[IPv6]:port`, `[IPv6/bits]:port`; port `*` is any.
import { canonicalAddress, parseCidr } from '../decision/mod.ts';
import { invalid } from './source.ts';
import type { Place } from './source.ts';

export interface Destination {
  readonly host: string;
  /** 0 = any. */
  readonly port: number;
}

const shape = /^(?:\[([^\]]*)\]|([^:[\]]+)):(\*|\d{1,5})$/;
const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

export function parseDestination(text: string, place: Place): Destination {
  const match = shape.exec(text);
  if (!match) {
    throw invalid(
      place,
      `${text} is not name:port`,
      'write name:443, *.name:443, 10.0.0.0/8:443 or [::1]:443; * for any port',
    );
  }
  const [, bracketed, plain, portText] = match;
  const port = portText === '*' ? 0 : Number(portText);
  if (portText !== '*' && (port < 1 || port > 65535))
    throw invalid(place, `${text}: the port is not 1 to 65535`, 'correct it');
  const host = bracketed ?? plain ?? '';
  return { host: addressOf(host, place) ?? nameOf(host, text, place), port };
}

function addressOf(host: string, place: Place): string | undefined {
  const slash = host.indexOf('/');
  const address = canonicalAddress(slash < 0 ? host : host.slice(0, slash));
  if (address === undefined) {
    if (slash >= 0 || host.includes(':'))
      throw invalid(place, `${host} is not an address range`, 'write 10.0.0.0/8 or [fc00::/7]');
    return undefined;
  }
  const cidr = parseCidr(host);
  if (!cidr)
    throw invalid(place, `${host} has bits set after its prefix`, 'write the first address of the range');
  return slash < 0 ? address : `${address}/${cidr.prefix}`;
}

function nameOf(host: string, text: string, place: Place): string {
  if (host === '*') return host;
  const name = host.toLowerCase().replace(/\.$/, '');
  const labels = (name.startsWith('*.') ? name.slice(2) : name).split('.');
  if (name.length > 253 || !labels.every((each) => label.test(each))) {
    throw invalid(
      place,
      `${text} is not a host name`,
      'use letters, digits, - and dots, * only as the first label, and xn-- names for other alphabets',
    );
  }
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) {
    throw invalid(
      place,
      `${text} looks like an address in an unusual spelling`,
      'write the address in four decimal parts',
    );
  }
  return name;
}
