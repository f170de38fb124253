// Which sessions a statement names, and what it says of them.
import t from 'tap';
import { sessionStatements } from '../../daemon/control/statement-facts.ts';
import { Session } from '../../daemon/control/session.ts';

const facts: Session['facts'] = {
  ...{ user: 'nobody', gid: 65534, home: '/', workspace: '/tmp', argv: ['true'] },
  ...{ profile: 'coding-agent', profileVersion: 3, mode: 'enforce', requestedMode: '' },
  ...{ supervisorPid: 0, supervisorStart: '', initPid: 0, initStart: '', generation: 4 },
  ...{ policyDigest: 'ab'.repeat(32), layers: [], exitCode: 0, endReason: '', frozenByAdmin: false },
};
const layers = [
  { layer: 'seccomp', effective: true, detail: '' },
  { layer: 'landlock', effective: false, detail: 'not in this kernel' },
];
const session = (id: string, state: Session['state'], more: Partial<Session['facts']> = {}): Session =>
  new Session({
    ...{ session: id, uid: 1, owner: 1, state, started: 0, ended: 0, allowed: 0, denied: 0 },
    facts: { ...facts, ...more },
  });

t.test('a session that is being started, or never ran, is not said to run without its layers', (t) => {
  const sessions = [
    session('starting', 'starting'),
    session('running', 'running', { layers }),
    session('failed', 'ended'),
    session('killed', 'killed', { layers }),
    session('unknown', 'running'),
  ];
  t.match(
    sessionStatements(sessions),
    [
      { id: 'running', layers: ['seccomp'], lacking: ['landlock'] },
      { id: 'killed', layers: ['seccomp'] },
      { id: 'unknown', layers: [] },
    ],
    'one that runs is named, whatever is known of it',
  );
  t.equal(sessionStatements(sessions).length, 3);
  t.end();
});
