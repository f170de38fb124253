// The capability set: what one session may do. Inert and serialisable (structured clone, JSON), so that it can be
// sent to every thread and process that decides; `decision` builds the tries from it. Immutable; a change is a new
// generation.
import type { AttestationRequirement } from './attestation.ts';
import type { Effect, Mode, RuleInfo, TokenDemand, Upstream } from './verdict.ts';
import type { FileAccess } from './action.ts';

/**
 * One file rule after variables and inheritance are resolved.
 *
 * `pattern` is an absolute byte path; `base` + `glob` split it: every component of `base` is literal, `glob` is the
 * rest (`''` = the whole subtree of `base`, base included; otherwise components that may be `*`, `**`, or contain
 * `*`/`?`). A rule with glob `''` on a file means that file. Every rule covers what it names and all that is below,
 * unless its last component is `.`: then it covers the object alone (a directory that may be listed).
 */
export interface FileRule {
  readonly rule: number;
  readonly effect: Effect;
  readonly access: readonly FileAccess[];
  readonly base: string;
  readonly glob: string;
  readonly label?: string;
  /**
   * Protection of a file that could take over the host. Compared among themselves, before ordinary rules and after
   * `never`: a deny holds whatever ordinary rules allow; an allow only lifts the protection and grants nothing.
   */
  readonly protective?: boolean;
}

/** `host` is `api.example.com`, `*.example.com`, `*`, an address, or a CIDR; `port` 0 means any. */
export interface NetworkRule {
  readonly rule: number;
  readonly effect: Effect;
  readonly host: string;
  readonly port: number;
  /** An allowed request must carry a token. */
  readonly token?: TokenDemand;
  /** How an allowed request is carried on; not said: as it came, and tokens to loopback alone. */
  readonly upstream?: Upstream;
}

/** Unix sockets outside the sandbox: exact path or a path with globs, as in FileRule. */
export interface SocketRule {
  readonly rule: number;
  readonly effect: Effect;
  readonly base: string;
  readonly glob: string;
}

/** Tokens the session may be given (profile key `tokens`). What a list does not name is refused. */
export interface TokenPolicy {
  /** Index of the rule that speaks when a token is refused. */
  readonly rule: number;
  readonly attestation: AttestationRequirement;
  /** Seconds that a verifier's acceptance counts; absent: as long as the verifier said. */
  readonly attestedWithin?: number;
  /** Seconds that a token may live, 1..3600. */
  readonly lifetime: number;
  readonly audiences: readonly string[];
  /** Names for `tool.call`; a last `*` stands for any rest. */
  readonly tools: readonly string[];
  /** Tables for `db.row`. */
  readonly rows: readonly {
    readonly database: string;
    readonly table: string;
    readonly actions: readonly string[];
  }[];
}

export interface CapabilitySet {
  /** Grows with every change; a decision names the generation it was made under. */
  readonly generation: number;
  readonly mode: Mode;
  /** SHA-256 (hex) of the canonical effective policy. */
  readonly policyDigest: string;
  readonly profile: { readonly name: string; readonly version: number };
  /** Rules are referred to by index from the tables below. Index 0 is always `builtin/default-deny`. */
  readonly rules: readonly RuleInfo[];
  readonly files: readonly FileRule[];
  /** Exec allow/never lists (path of the image really opened). */
  readonly exec: readonly FileRule[];
  readonly network: readonly NetworkRule[];
  readonly sockets: readonly SocketRule[];
  /** Absent: the profile says nothing of tokens, and none are minted. */
  readonly tokens?: TokenPolicy;
}
