// Which names a lookup of this session gave which addresses. The address that passed is the address dialed: a connect to
// an address speaks for a name only while that name is pinned to it.

/** Seconds a pin outlives its TTL: clients connect a little after they looked up. */
const grace = 60;
export const minTtl = 1;
export const maxTtl = 3600;
const maxHosts = 4096;
const maxAddresses = 64;

export const clampTtl = (ttl: number): number => Math.min(maxTtl, Math.max(minTtl, Math.trunc(ttl)));

export class Pins {
  /** host → address → time (ms) it ends. Insertion order is age: the oldest host goes first when full. */
  private readonly byHost = new Map<string, Map<string, number>>();
  private readonly now: () => number;
  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  add(host: string, addresses: readonly string[], ttl: number): void {
    const until = this.now() + (clampTtl(ttl) + grace) * 1000;
    const known = this.byHost.get(host) ?? new Map<string, number>();
    this.byHost.delete(host);
    this.byHost.set(host, known);
    for (const address of addresses) {
      const ends = Math.max(until, known.get(address) ?? 0);
      known.delete(address);
      known.set(address, ends);
    }
    trim(known, maxAddresses);
    trim(this.byHost, maxHosts);
  }

  has(host: string, address: string): boolean {
    return (this.byHost.get(host)?.get(address) ?? 0) > this.now();
  }

  /** Names that are pinned to this address now, newest first. */
  namesOf(address: string): readonly string[] {
    const names: string[] = [];
    for (const [host, addresses] of this.byHost) {
      if ((addresses.get(address) ?? 0) > this.now()) names.push(host);
    }
    return names.reverse();
  }
}

function trim<K, V>(map: Map<K, V>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}
