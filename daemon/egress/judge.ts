// Turns a decision into what this process does. One judge belongs to one capability set: whoever kept a judge that is no
// longer the current one has decided under an old generation and must ask again before the effect.
import type {
  CapabilitySet,
  Decider,
  NewRecord,
  RuleInfo,
  TokenDemand,
  Upstream,
  Verdict,
} from '../model/mod.ts';
import { canonical, hostPort } from './address.ts';
import type { Pins } from './pins.ts';

/** Why an address is never reached by accident (loopback, private, metadata …); undefined when it is public. */
export type Guard = (address: string) => string | undefined;

export interface Destination {
  /** Canonical. */
  readonly address: string;
  readonly port: number;
}

export interface Judgement {
  /** The effect may happen: allowed, or monitor mode lets it. */
  readonly pass: boolean;
  readonly disposition: 'allowed' | 'denied' | 'would-deny';
  readonly rule: RuleInfo;
  readonly reason: string;
  readonly generation: number;
  /** The request must carry a token. */
  readonly token?: TokenDemand;
  /** How the request is carried on. */
  readonly upstream?: Upstream;
}

const builtin = (id: string, because: string): RuleInfo => ({
  id: `builtin/${id}`,
  source: { file: 'builtin', line: 0, key: id },
  because,
  never: false,
});
/** Denials that are this process's own: what was said on the wire does not agree with itself or with the lookup. */
export const authorityRule = builtin(
  'egress-authority',
  'what a connection says it is must agree with where it goes',
);
export const protocolRule = builtin('egress-protocol', 'what cannot be understood cannot be decided');
export const tokenRule = builtin('egress-token', 'a grant that wants a token passes nothing without one');
export const upstreamRule = builtin(
  'egress-upstream',
  'what is to be carried on over TLS is carried on over TLS that was verified, or not at all',
);
export const limitRule = builtin('egress-limit', 'bounds of the egress process');

export class Judge {
  readonly decider: Decider;
  private readonly guard: Guard;
  /** Knows only the rules that name addresses: `*` grants every address too, but no address by itself. */
  private readonly literals: Decider;
  private readonly literalPorts: readonly number[];
  constructor(set: CapabilitySet, createDecider: (set: CapabilitySet) => Decider, guard: Guard) {
    const network = set.network.filter((rule) => canonical(addressOf(rule.host)) !== undefined);
    this.decider = createDecider(set);
    this.literals = createDecider({ ...set, network });
    this.guard = guard;
    // Port 0 is any port: asked about as port 1.
    this.literalPorts = [...new Set(network.map((rule) => Math.max(1, rule.port)))];
  }

  get generation(): number {
    return this.decider.capabilitySet.generation;
  }

  /** May this name be looked up? */
  lookup(host: string): Judgement {
    return this.of(this.decider.network({ host }), false);
  }

  /** May a lookup of `host` hand out this address? A guarded address only when some grant names it literally. */
  answer(host: string, address: string): Judgement {
    const why = this.guard(address);
    const literal =
      why === undefined ||
      this.literalPorts.some((port) =>
        [this.decider.network({ host, address, port }), this.literals.network({ address, port })].every(
          ({ effect }) => effect === 'allow',
        ),
      );
    if (literal) return this.of(this.decider.network({ host }), false);
    const reason = `${host} resolved to ${address}: ${why}; only a grant that names the address allows it`;
    return this.deny(authorityRule, reason);
  }

  /** Does a rule grant this very address (or its range) on this port? Then whatever is spoken there is granted. */
  literal(to: Destination): Judgement | undefined {
    const granted = this.literals.network({ address: to.address, port: to.port }).effect === 'allow';
    const judged = granted ? this.address(to) : undefined;
    return judged?.disposition === 'allowed' ? judged : undefined;
  }

  /** Does a name that was looked up here lead to this destination by a grant that is for requests? Then what is said is read. */
  mustRead(to: Destination, pins: Pins): boolean {
    return pins.namesOf(to.address).some((host) => {
      const { obligations } = this.decider.network({ host, ...to });
      return obligations.some(
        (each) => each.kind === 'token' || (each.kind === 'upstream' && each.protocol === 'tls'),
      );
    });
  }

  /** May the address be reached without a name? */
  address(to: Destination): Judgement {
    const verdict = this.decider.network({ address: to.address, port: to.port });
    return this.of(verdict, this.guard(to.address) !== undefined);
  }

  /** Does this name speak for this destination: looked up here, and granted on this port? A pin may end while a tunnel lives. */
  named(host: string, to: Destination, pins: Pins, mustBePinned = true): Judgement {
    // `*` grants addresses that nobody looked up; the name that is said there must still be granted.
    const free = pins.namesOf(to.address).length === 0 && this.address(to).disposition === 'allowed';
    if (mustBePinned && !free && !pins.has(host, to.address)) {
      const reason = `the connection names ${host}, but no lookup in this session gave ${to.address} for it`;
      return this.refuse(authorityRule, reason, to);
    }
    const verdict = this.decider.network({ host, address: to.address, port: to.port });
    const judged = this.of(verdict, this.guard(to.address) !== undefined);
    if (judged.upstream?.protocol !== 'tls') return judged;
    const refusal = this.undialable({ address: to.address, port: judged.upstream.port });
    return refusal === undefined ? judged : this.deny(refusal.rule, refusal.reason);
  }

  /** What is dialed for TLS has another port than what was judged: rules on addresses, and the guard, hold for it as well. */
  private undialable(to: Destination): Verdict | undefined {
    const verdict = this.literals.network(to);
    const silent = verdict.rule === this.decider.capabilitySet.rules[0];
    if (verdict.effect === 'allow' || (silent && this.guard(to.address) === undefined)) return undefined;
    return { ...verdict, reason: `${hostPort(to.address, to.port)}, to which this leads: ${verdict.reason}` };
  }

  /** The best answer before anything was said on the connection: some pinned name granted on this port? */
  anyName(to: Destination, pins: Pins): Judgement & { readonly host: string | undefined } {
    let first: (Judgement & { host: string | undefined }) | undefined;
    for (const host of pins.namesOf(to.address)) {
      const judged = { ...this.named(host, to, pins), host };
      if (judged.disposition === 'allowed') return judged;
      first ??= judged;
    }
    return first ?? { ...this.address(to), host: undefined };
  }

  /** A denial of this process's own. Monitor mode lets it pass, unless the destination is guarded. */
  refuse(rule: RuleInfo, reason: string, to?: Destination): Judgement {
    const guarded = to !== undefined && this.guard(to.address) !== undefined;
    return this.moded({ rule, reason, generation: this.generation }, guarded);
  }

  /** A denial that holds in every mode. */
  deny(rule: RuleInfo, reason: string): Judgement {
    return { rule, reason, generation: this.generation, pass: false, disposition: 'denied' };
  }

  private of(verdict: Verdict, guarded: boolean): Judgement {
    const { rule, generation } = { rule: verdict.rule, generation: this.generation };
    if (verdict.effect === 'allow') {
      const allowed = {
        pass: true,
        disposition: 'allowed',
        rule,
        reason: verdict.reason,
        generation,
      } as const;
      const token = verdict.obligations.find((each) => each.kind === 'token');
      const upstream = verdict.obligations.find((each) => each.kind === 'upstream');
      return {
        ...allowed,
        ...(token === undefined ? {} : { token }),
        ...(upstream === undefined ? {} : { upstream }),
      };
    }
    const reason = verdict.effect === 'ask' ? `needs approval: ${verdict.reason}` : verdict.reason;
    return this.moded({ rule, reason, generation }, guarded);
  }

  private moded(facts: Pick<Judgement, 'rule' | 'reason' | 'generation'>, guarded: boolean): Judgement {
    const lets = this.decider.capabilitySet.mode === 'monitor' && !guarded;
    return { ...facts, pass: lets, disposition: lets ? 'would-deny' : 'denied' };
  }
}

/** `[::1]`, `10.0.0.0/8` → the address in it. */
const addressOf = (host: string): string => host.replace(/\/\d+$/, '').replace(/^\[(.*)\]$/, '$1');

/** The part of a record that a judgement gives. */
export function recordOf(
  judgement: Judgement,
  kind: NewRecord['kind'],
  operation: string,
  layer: NewRecord['layer'],
): Pick<NewRecord, 'kind' | 'operation' | 'layer' | 'disposition' | 'generation' | 'rule' | 'reason'> {
  const { rule } = judgement;
  return {
    kind,
    operation,
    layer,
    disposition: judgement.disposition,
    generation: judgement.generation,
    rule: { id: rule.id, source: rule.source },
    reason: judgement.reason,
  };
}

export const destinationText = (host: string | undefined, to: Destination): string =>
  hostPort(host ?? to.address, to.port);
