// Decisions about destinations.
//   name only            the name's rules; without a port: may it be looked up at all (any port granted)?
//   address only         the address's rules, then `*`; `*` never covers a guarded address
//   name and address     the name decides, and the address must be acceptable: no rule on its range refuses it, and
//                        a guarded address needs a grant of its range (metadata: of exactly that address)
// Specificity: exact name, then `*.` patterns from longest to shortest, then `*`; ranges from longest to shortest, then
// `*`; within one pattern a rule for the port beats one for any port; of equal ones the stricter.
import type {
  CapabilitySet,
  NetworkQuery,
  NetworkRule,
  Obligation,
  RuleInfo,
  Verdict,
} from '../model/mod.ts';
import { parseAddress, parseCidr } from './address.ts';
import type { Address } from './address.ts';
import { CidrTable } from './cidr-table.ts';
import { guardedReasonOf, isMetadata } from './guard.ts';
import { HostTrie } from './host-trie.ts';
import { defaultDeny, judgementOf } from './judgement.ts';
import type { Judgement } from './judgement.ts';
import { judgeAnyPort, judgePort } from './port-table.ts';
import type { PortTable } from './port-table.ts';
import { SharedTables } from './shared-tables.ts';

/** Shortest range that counts as naming a guarded address: 10.0.0.0/8 does, 0.0.0.0/0 does not. */
const shortestLiteral = { 4: 8, 6: 7 } as const;
const fullLength = { 4: 32, 6: 128 } as const;

export const guardRule: RuleInfo = {
  id: 'builtin/address-guard',
  source: { file: 'builtin', line: 0, key: 'address-guard' },
  because: 'private, local, reserved and metadata addresses must be granted literally',
  never: false,
};

const guardSeverity = 2;

export class NetworkDecider {
  readonly #hosts = new HostTrie();
  readonly #ranges = new CidrTable();
  readonly #none: Judgement;

  constructor(set: CapabilitySet) {
    this.#none = defaultDeny(set, 'this destination');
    const known = new Map<string, Judgement>();
    for (const { rule, effect, host, port, token, upstream } of set.network) {
      const cidr = parseCidr(host);
      const table = cidr ? this.#ranges.table(cidr) : this.#hosts.table(host);
      const key = `${rule} ${effect}`;
      const judgement =
        known.get(key) ?? judgementOf(set, rule, effect, 'the destination', obligationsOf(token, upstream));
      known.set(key, judgement);
      table.add(port, judgement, judgement.verdict.rule.never);
    }
    const shared = new SharedTables();
    this.#hosts.settle(shared);
    this.#ranges.settle(shared);
  }

  judge(query: NetworkQuery): Verdict {
    const host = query.host;
    if (host === undefined || host === '') {
      const address = query.address === undefined ? undefined : parseAddress(query.address);
      return (address ? this.#address(address, query.port) : this.#none).verdict;
    }
    const literal = parseAddress(host);
    const named = literal ? this.#address(literal, query.port) : this.#name(host, query.port);
    if (query.address === undefined || named.severity === 2) return named.verdict;
    const address = parseAddress(query.address);
    if (!address) return this.#none.verdict;
    const resolved = this.#resolved(address, query.port);
    // Of equally strict ones the name's verdict is the one to show.
    return (resolved && resolved.severity > named.severity ? resolved : named).verdict;
  }

  #name(host: string, port: number | undefined): Judgement {
    const tables = this.#hosts.lookup(host);
    return this.#over(tables, port) ?? this.#none;
  }

  #over(tables: readonly PortTable[], port: number | undefined): Judgement | undefined {
    return port === undefined ? judgeAnyPort(tables) : judgePort(tables, port);
  }

  #address(address: Address, port: number | undefined): Judgement {
    const guarded = guardedReasonOf(address);
    if (guarded !== undefined) return this.#guarded(address, port, guarded);
    const tables = [...this.#ranges.lookup(address), ...this.#hosts.lookup('*')];
    return this.#over(tables, port) ?? this.#none;
  }

  #guarded(address: Address, port: number | undefined, why: string): Judgement {
    const ranges = this.#ranges.lookup(address);
    // `*` grants nothing here, but its `never` holds.
    const everything = this.#over([...ranges, ...this.#hosts.lookup('*')], port);
    if (everything?.verdict.rule.never === true) return everything;
    const refusal = this.#over(ranges, port);
    if (refusal && refusal.severity > 0) return refusal;
    const shortest = isMetadata(address) ? fullLength[address.version] : shortestLiteral[address.version];
    const literal = this.#over(this.#ranges.lookup(address, shortest), port);
    return literal ?? { verdict: guardVerdict(why), severity: guardSeverity, demands: 0, rule: 0 };
  }

  /** What the address a name led to has to say; undefined: nothing against it. */
  #resolved(address: Address, port: number | undefined): Judgement | undefined {
    const guarded = guardedReasonOf(address);
    if (guarded !== undefined) return this.#guarded(address, port, guarded);
    return this.#over(this.#ranges.lookup(address), port);
  }
}

const obligationsOf = (token: NetworkRule['token'], upstream: NetworkRule['upstream']): Obligation[] => [
  ...(token === undefined ? [] : [{ kind: 'token', ...token } as const]),
  ...(upstream === undefined ? [] : [{ kind: 'upstream', ...upstream } as const]),
];

function guardVerdict(why: string): Verdict {
  return {
    effect: 'deny',
    rule: guardRule,
    reason: `${why}: only a grant of the address itself allows it`,
    obligations: [],
  };
}
