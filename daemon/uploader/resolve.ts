// Names, without the files that libc would read: the host table and the resolvers are handed over by cordond.
import { Resolver } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { SinkError } from './entry.ts';

export interface NameSettings {
  /** Resolvers, `address:port`. */
  readonly upstream: readonly string[];
  readonly hosts: Readonly<Record<string, readonly string[]>>;
}

export type Addresses = (host: string) => Promise<readonly string[]>;

const fixed: Readonly<Record<string, readonly string[]>> = { localhost: ['127.0.0.1', '::1'] };

/** `resolver`: made before the process confines itself. */
export function addressesOf({ upstream, hosts }: NameSettings, resolver: Resolver): Addresses {
  if (upstream.length > 0) resolver.setServers([...upstream]);
  return async (host) => {
    const name = host.replace(/^\[|\]$/g, '').toLowerCase();
    if (isIP(name) !== 0) return [name];
    const known = Object.hasOwn(hosts, name) ? hosts[name] : fixed[name];
    if (known !== undefined && known.length > 0) return known;
    const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    if (addresses.length === 0)
      throw new SinkError(`${name} has no address`, { fix: 'check the name, and the resolvers (upstream)' });
    return addresses;
  };
}

export const newResolver = (): Resolver => new Resolver({ timeout: 2000, tries: 2 });

/** For net.connect: see `lookup` of socket.connect in Node's manual. */
export const lookupOf =
  (addresses: Addresses): LookupFunction =>
  (host, options, callback) => {
    addresses(host).then(
      (found) => {
        const all = found.map((address) => ({ address, family: isIP(address) }));
        const first = all[0]!;
        if (options.all === true) callback(null, all);
        else callback(null, first.address, first.family);
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, []),
    );
  };
