// The reference monitor: the one function through which every mediated action goes.
// action → decision → record → effect → outcome. Whatever fails on the way denies.
import type { Decide, Disposition, Mode, Verdict } from '../model/mod.ts';

function dispositionOf(verdict: Verdict, mode: Mode): Disposition {
  if (verdict.effect === 'allow') return 'allowed';
  return mode === 'monitor' ? 'would-deny' : 'denied';
}

/**
 * Records what was decided and says whether the effect may happen. `tree` is asked only for what is not allowed.
 * An intent that cannot be recorded is not granted.
 */
export const decide: Decide = (journal, mode, intent, verdict, tree) => {
  const disposition = dispositionOf(verdict, mode);
  const reason =
    verdict.effect === 'ask' ? `${verdict.reason} (needs an approval, and none is held)` : verdict.reason;
  const record = journal.append({
    ...intent,
    disposition,
    reason,
    rule: { id: verdict.rule.id, source: verdict.rule.source },
    ...(disposition === 'allowed' ? {} : { tree: tree() }),
  });
  if (record === undefined) return { granted: false, record, reason: 'the action could not be recorded' };
  if (disposition === 'denied') return { granted: false, record, reason };
  return { granted: true, record };
};
