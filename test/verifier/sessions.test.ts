// What a verifier demands of the sessions that run.
import t from 'tap';
import fc from 'fast-check';
import type { SessionStatement, Statement } from '../../daemon/evidence/mod.ts';
import { noExpectations, readExpectations } from '../../daemon/verifier/mod.ts';
import type { Expectations } from '../../daemon/verifier/mod.ts';
import { sessionsCheck } from '../../daemon/verifier/sessions-check.ts';
import { daemonFacts } from '../support/attested.ts';

const [session] = daemonFacts.sessions as [SessionStatement];
const stating = (...sessions: readonly Partial<SessionStatement>[]): Statement => ({
  type: 'cordon-statement/1',
  nonce: '00'.repeat(8),
  tpm: 'software',
  ...daemonFacts,
  audit: { ...daemonFacts.audit, counter: 0, lost: 0 },
  sessions: sessions.map((each) => ({ ...session, ...each })),
});
const demanding = (sessions: object): Expectations => readExpectations(JSON.stringify({ sessions }));
const demands = demanding({
  mode: 'enforce',
  layers: ['landlock', 'seccomp'],
  'policy-digests': [session.policy],
  'may-lack': [],
});

t.test('sessions that are as demanded pass, and none at all does', async (t) => {
  t.match(sessionsCheck(demands, stating({})), { outcome: 'success', reason: '1 sessions are as demanded' });
  t.match(sessionsCheck(demands, stating()), { outcome: 'success' });
  t.match(sessionsCheck(noExpectations, stating({ mode: 'monitor' })), { outcome: 'not-run' });
});

t.test('each that is not is named, with every reason', async (t) => {
  const check = sessionsCheck(
    demands,
    stating(
      { id: 'fine' },
      { id: 'watched', mode: 'monitor' },
      { id: 'loose', layers: ['seccomp'], lacking: ['landlock'] },
      { id: 'strange', policy: '00'.repeat(32) },
    ),
  );
  t.equal(check.outcome, 'fail');
  t.equal(
    check.reason,
    [
      'session watched (coding-agent) runs in mode monitor, not enforce',
      'session loose (coding-agent) lacks landlock and is allowed to lack landlock',
      `session strange (coding-agent) runs under policy ${'00'.repeat(32)}, which is not on the list`,
    ].join('; '),
  );
});

t.test('of very many the reason stays short', async (t) => {
  const many = Array.from({ length: 200 }, (_, i) => ({ id: `s${i}`, mode: 'monitor' }));
  const { reason } = sessionsCheck(demands, stating(...many));
  t.match(reason, /; 190 more$/);
  t.ok(reason.length < 2000);
});

t.test('a demand is never met by a session that lacks what it names', async (t) => {
  const layer = fc.constantFrom('landlock', 'seccomp', 'fanotify', 'cgroup');
  const layers = fc.uniqueArray(layer);
  fc.assert(
    fc.property(layers, layers, fc.constantFrom('enforce', 'monitor'), (wanted, has, mode) => {
      const { outcome } = sessionsCheck(
        demanding({ mode: 'enforce', layers: wanted }),
        stating({ layers: has, mode }),
      );
      const met = mode === 'enforce' && wanted.every((each) => has.includes(each));
      return (outcome === 'success') === met;
    }),
    { numRuns: 100 },
  );
  t.pass();
});

t.test('a demand that nobody understands is refused, not passed over', async (t) => {
  for (const sessions of [
    { mode: 'strict' },
    { layer: ['landlock'] },
    { layers: 'landlock' },
    { 'may-lack': [1] },
  ])
    t.throws(() => demanding(sessions), { code: 'protocol' }, JSON.stringify(sessions));
});
