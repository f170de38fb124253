// Verdicts are made once, when the tries are built: a decision only picks one, so that it allocates nothing.
import type { CapabilitySet, Effect, Obligation, RuleInfo, Verdict } from '../model/mod.ts';

/** One rule's say, ready to be returned. */
export interface Judgement {
  readonly verdict: Verdict;
  /** 0 allow, 1 ask, 2 deny: the stricter of two is the greater. */
  readonly severity: number;
  /** How much it asks of who acts: two for each obligation; one that only permits (`upstream: plain`) takes one back. */
  readonly demands: number;
  /** Index in the rule table; of rules that say the same, the first is the one named. */
  readonly rule: number;
}

const severities: Readonly<Record<Effect, number>> = { allow: 0, ask: 1, deny: 2 };

export const severityOf = (effect: Effect): number => severities[effect];

/**
 * The stricter of two: of equal severity the one that asks more of who acts, of equals the one written first. Order of
 * arguments does not matter.
 */
export function stricter(a: Judgement | undefined, b: Judgement): Judgement {
  if (!a) return b;
  if (a.severity !== b.severity) return a.severity > b.severity ? a : b;
  if (a.demands !== b.demands) return a.demands > b.demands ? a : b;
  return a.rule <= b.rule ? a : b;
}

const words: Readonly<Record<Effect, string>> = {
  allow: 'is allowed by',
  ask: 'needs approval under',
  deny: 'is denied by',
};

function reasonOf(info: RuleInfo, effect: Effect, what: string): string {
  const place = info.source.line > 0 ? `${info.source.file}:${info.source.line}` : info.id;
  const verb = info.never ? 'is never allowed:' : words[effect];
  const because = info.because === undefined ? '' : ` (${info.because})`;
  return `${what} ${verb} ${info.never ? 'rule ' : ''}${place}${because}`;
}

const demandsOf = (obligations: readonly Obligation[]): number =>
  obligations.reduce(
    (sum, each) => sum + (each.kind === 'upstream' && each.protocol === 'plain' ? -1 : 2),
    0,
  );

export function judgementOf(
  set: CapabilitySet,
  rule: number,
  effect: Effect,
  what: string,
  obligations: readonly Obligation[] = [],
): Judgement {
  const info = set.rules[rule];
  if (!info) throw new RangeError(`capability set: rule ${rule} is not in the table of ${set.rules.length}`);
  const verdict: Verdict = Object.freeze({
    effect,
    rule: info,
    reason: reasonOf(info, effect, what),
    obligations: effect === 'deny' ? [] : obligations,
  });
  return { verdict, severity: severities[effect], demands: demandsOf(verdict.obligations), rule };
}

/** Rule 0 speaks when nothing else does. */
export function defaultDeny(set: CapabilitySet, what: string): Judgement {
  const info = set.rules[0];
  if (!info) throw new RangeError('capability set: the rule table is empty; index 0 is builtin/default-deny');
  const verdict: Verdict = Object.freeze({
    effect: 'deny',
    rule: info,
    reason: `no rule grants ${what} (default deny)`,
    obligations: [],
  });
  return { verdict, severity: severities.deny, demands: 0, rule: 0 };
}
