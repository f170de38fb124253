// The kill switch on real sandboxes: 500 processes, of all the kinds that outlive an ordinary kill.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { buildCrowd, holdPidNamespace, inState, membersOf, type PidNamespace } from '../../support/crowd.ts';
import type { SandboxShell } from '../../support/sandbox-shell.ts';
import { until } from '../../support/until.ts';
import { prepare, skipReason, type Ground } from './ground.ts';

const skip = skipReason();
const many = 500;
const few = 40;

interface Crowded {
  readonly session: string;
  readonly shell: SandboxShell;
  readonly namespace: PidNamespace;
}

/** A session with `count` processes: a fifth of them stopped, a sixth in an uninterruptible wait. */
async function crowded(t: Test, ground: Ground, count: number): Promise<Crowded> {
  const shell = await ground.shell();
  const { session, initPid } = await ground.cordon.sessionIn(ground.workspace);
  const namespace = holdPidNamespace(initPid);
  t.teardown(() => namespace.release());
  shell.tell(`exec ./crowd ${count}`);
  await until(
    `${count} processes`,
    () => {
      const members = membersOf(namespace);
      const enough = Math.floor(count / 6) - 1;
      return members.length >= count && inState(members, 'T') >= enough && inState(members, 'D') >= enough;
    },
    { within: 60_000, evidence: () => JSON.stringify(membersOf(namespace)) + shell.errors },
  );
  return { session, shell, namespace };
}

const living = (namespace: PidNamespace): number =>
  membersOf(namespace).filter(({ state }) => state !== 'Z' && state !== 'X').length;

async function crowdGround(t: Test): Promise<Ground> {
  const ground = await prepare(t, 'kill', { limits: 'processes: 600, memory: 2GiB' });
  buildCrowd(ground.workspace, ground.user);
  return ground;
}

t.test(`kill ends ${many} processes, and says so only when all are dead`, { skip }, async (t) => {
  const ground = await crowdGround(t);
  const { cordon, how } = ground;
  const { session, shell, namespace } = await crowded(t, ground, many);
  const killed = await cordon.json<{ sessions: string[]; milliseconds: number }>(['kill', session]);
  t.equal(living(namespace), 0, 'none is alive when it has answered');
  t.same(killed.sessions, [session]);
  t.comment(`${many} processes were dead after ${killed.milliseconds.toFixed(0)} ms`);
  await until('cordon run ends', () => shell.ended !== undefined);
  t.equal(shell.ended, 137, 'as after SIGKILL');
  t.match(await cordon.sessionIn(ground.workspace), { session, state: 'killed', processes: 0 });
  t.match(
    (await cordon.records(session)).filter(({ kind }) => kind === 'admin'),
    [{ operation: 'kill', object: session, detail: { uid: 0 } }],
    'who killed it is on record',
  );
  t.equal((await cordon.run(['true'], how)).code, 0, 'a kill of one session stops no launches');
});

t.test('kill of a frozen session ends it too', { skip }, async (t) => {
  const ground = await crowdGround(t);
  const { cordon } = ground;
  const { session, shell, namespace } = await crowded(t, ground, few);
  t.equal((await cordon.cli(['freeze', session])).code, 0);
  t.equal((await cordon.cli(['kill', session])).code, 0);
  t.equal(living(namespace), 0);
  await until('cordon run ends', () => shell.ended !== undefined);
});

t.test('kill --all ends every session, and nothing starts until resume --all', { skip }, async (t) => {
  const ground = await crowdGround(t);
  const { cordon, how, workspace } = ground;
  const crowds = [await crowded(t, ground, few), await crowded(t, ground, many)];
  const all = ['kill', '--all', '--reason', 'incident 7'];
  const killed = await cordon.json<{ sessions: string[]; milliseconds: number }>(all);
  for (const { namespace } of crowds) t.equal(living(namespace), 0);
  t.same([...killed.sessions].sort(), crowds.map(({ session }) => session).sort());
  t.comment(`two sessions were dead after ${killed.milliseconds.toFixed(0)} ms`);
  writeFileSync(join(workspace, 'begun.sh'), 'echo begun > begun\n');
  const refused = await cordon.run(['sh', 'begun.sh'], how);
  t.equal(refused.code, 125, 'a launch is refused', { refused });
  t.match(refused.stderr, /incident 7[^]*cordon resume --all/, 'with the reason, and what takes it back');
  t.notOk(existsSync(join(workspace, 'begun')), 'and its command did not run');
  t.match(
    (await cordon.records('daemon')).filter(
      ({ kind, operation }) => kind === 'admin' && operation === 'kill',
    ),
    [{ object: 'all', reason: 'incident 7' }],
  );
  t.equal((await cordon.cli(['resume', '--all'])).code, 0);
  t.equal((await cordon.run(['sh', 'begun.sh'], how)).code, 0, 'after resume it starts');
  t.ok(existsSync(join(workspace, 'begun')));
  for (const { shell } of crowds) await until('cordon run ends', () => shell.ended !== undefined);
});
