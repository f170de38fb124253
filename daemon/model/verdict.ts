// What a decision says. Never a boolean: a verdict always names the rule and the reason.

export type Effect = 'allow' | 'deny' | 'ask';

/** Where a rule was written, for people: `profiles/coding-agent.yaml:14`. */
export interface RuleSource {
  readonly file: string;
  /** 1-based; 0 when the rule is built in. */
  readonly line: number;
  /** Key path inside the document, such as `files[3].never`. */
  readonly key: string;
}

/** One compiled rule, as records and explanations show it. */
export interface RuleInfo {
  /** Stable inside one policy digest: `coding-agent/files[3]`, `builtin/protected`, `builtin/default-deny`. */
  readonly id: string;
  readonly source: RuleSource;
  /** The author's `because`, or a sentence of ours. */
  readonly because?: string;
  /** `never` rules beat everything, approvals and leases included. */
  readonly never: boolean;
}

export interface Verdict {
  readonly effect: Effect;
  readonly rule: RuleInfo;
  /** One sentence for people. */
  readonly reason: string;
  /** What must be done before the effect, such as a label to take on. Empty today for most rules. */
  readonly obligations: readonly Obligation[];
}

/**
 * How a grant wants its requests to carry a capability token. `dpop` (RFC 9449) and `bearer` (RFC 6750): egress attaches
 * one to every request that it can read. `upload`: the request brings a one-time token, and the body must be its file.
 */
export type TokenScheme = 'dpop' | 'bearer' | 'upload';

export interface TokenDemand {
  readonly audience: string;
  readonly type: TokenScheme;
}

/**
 * How egress carries granted requests on. `plain`: in clear text, tokens and all. `tls`: the agent speaks plain HTTP inside
 * its sandbox, and egress TLS to `port` of the same host, whose certificate must lead to one in the PEM file `ca`; when not
 * given, to one that the machine trusts.
 */
export type Upstream =
  { readonly protocol: 'plain' } | { readonly protocol: 'tls'; readonly port: number; readonly ca?: string };

export type Obligation =
  | { readonly kind: 'label'; readonly label: string }
  | ({ readonly kind: 'token' } & TokenDemand)
  | ({ readonly kind: 'upstream' } & Upstream);

/** enforce: denials hold. monitor: what would be denied is allowed and recorded as would-deny. */
export type Mode = 'enforce' | 'monitor' | 'dry-run';

/** The strictest of several verdicts: an action on two objects needs both. Throws on an empty list. */
export function strictest(verdicts: readonly Verdict[]): Verdict {
  const first = verdicts[0];
  if (first === undefined) throw new RangeError('no verdict');
  return verdicts.find((v) => v.effect === 'deny') ?? verdicts.find((v) => v.effect === 'ask') ?? first;
}
