// The check of the sessions that run: each as the reference values want sessions to be, and why not, by session.
import type { SessionStatement, Statement } from '../evidence/mod.ts';
import { failed, notRun, passed } from './checks.ts';
import type { Check } from './checks.ts';
import type { Expectations, SessionExpectations } from './expectations.ts';

/** Sessions that a reason names; of more it says how many. */
const named = 10;

function problemsOf(session: SessionStatement, expected: SessionExpectations): string[] {
  const { mode, layers, policies, mayLack } = expected;
  const missing = layers.filter((layer) => !session.layers.includes(layer));
  const given = mayLack === undefined ? [] : session.lacking.filter((layer) => !mayLack.includes(layer));
  return [
    ...(mode === undefined || session.mode === mode ? [] : [`runs in mode ${session.mode}, not ${mode}`]),
    ...(missing.length === 0 ? [] : [`lacks ${missing.join(', ')}`]),
    ...(given.length === 0 ? [] : [`is allowed to lack ${given.join(', ')}`]),
    ...(policies.length === 0 || policies.includes(session.policy)
      ? []
      : [`runs under policy ${session.policy}, which is not on the list`]),
  ];
}

export function sessionsCheck({ sessions: expected }: Expectations, { sessions }: Statement): Check {
  const { mode, layers, policies, mayLack } = expected;
  if (mode === undefined && layers.length === 0 && policies.length === 0 && mayLack === undefined)
    return notRun('sessions', 'nothing is demanded of sessions');
  const wrong = sessions
    .map((session) => ({ session, problems: problemsOf(session, expected) }))
    .filter(({ problems }) => problems.length > 0)
    .map(({ session, problems }) => `session ${session.id} (${session.profile}) ${problems.join(' and ')}`);
  if (wrong.length === 0) return passed('sessions', `${sessions.length} sessions are as demanded`);
  const more = wrong.length > named ? [`${wrong.length - named} more`] : [];
  return failed('sessions', [...wrong.slice(0, named), ...more].join('; '));
}
