// resolv.conf(5) and hosts(5), as far as sessions need them.
import { isIP } from 'node:net';

const maxResolvers = 3;

/** `nameserver` lines as address:port. */
export function resolvers(resolvConf: string): string[] {
  return words(resolvConf)
    .filter(([keyword, address]) => keyword === 'nameserver' && isIP(address ?? '') !== 0)
    .slice(0, maxResolvers)
    .map(([, address = '']) => (isIP(address) === 6 ? `[${address}]:53` : `${address}:53`));
}

/** Lower-case names and their addresses. The names of this machine's loopback are left out: a session has its own. */
export function hostEntries(hosts: string): Record<string, string[]> {
  const out: Record<string, string[]> = {};
  for (const [address = '', ...names] of words(hosts)) {
    if (isIP(address) === 0 || isLoopback(address)) continue;
    for (const name of names) (out[name.toLowerCase()] ??= []).push(address);
  }
  return out;
}

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

const words = (text: string): string[][] =>
  text
    .split('\n')
    .map((line) =>
      line
        .replace(/[#;].*/, '')
        .trim()
        .split(/\s+/),
    )
    .filter(([first]) => first !== '');
