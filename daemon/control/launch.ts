// From a checked request to a running session. What can be done before the supervisor is asked has been done by then:
// the profile is compiled, the directories and the agent's socket are there, the session is on record.
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { processes, procfs } from '../../native-bindings/linux/mod.ts';
import { CordonError, toText } from '../model/mod.ts';
import type { Plan } from '../model/mod.ts';
import { asCordonError, message } from '../wire/mod.ts';
import type { Bodies, LaunchAnswer, Message } from '../wire/mod.ts';
import type { Daemon } from './daemon.ts';
import type { Actor } from './peer.ts';
import type { PlanRequest } from './profiles.ts';
import { checkMode } from './run-request.ts';
import type { CheckedRun } from './run-request.ts';
import { Session } from './session.ts';
import type { SupervisorLink } from './supervisor-link.ts';

const maxSessions = 256;
const maxSessionsPerUser = 64;
const launchDeadline = 30_000;
const SIGKILL = 9;

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
/** Eight characters, 40 random bits: short enough to type, and not to be guessed. */
export const newSessionId = (): string => [...randomBytes(8)].map((byte) => alphabet[byte & 31]).join('');

const bytes = (path: string): Buffer => Buffer.from(path, 'latin1');

export async function launch(daemon: Daemon, actor: Actor, run: CheckedRun): Promise<Message> {
  refuseWhenStopped(daemon, actor, run);
  refuseWhenFull(daemon, actor);
  const request = planRequest(daemon, actor, run);
  if (run.mode !== undefined) checkMode(actor, run.mode, daemon.profiles.ownMode(request));
  const plan = daemon.profiles.plan(request);
  const link = await daemon.pool.take();
  const session = prepare(daemon, actor, run, plan, link);
  try {
    session.agents = await daemon.openAgentSocket(session);
    // Nothing is awaited between this look at the switch and the launch: a kill that comes later finds the session.
    refuseWhenStopped(daemon, actor, run);
    const asked = link.connection.askFor(
      'launch',
      launchBody(daemon, actor, run, plan, session),
      'launchAnswer',
      {
        deadline: launchDeadline,
      },
    );
    began(daemon, session, plan, await asked);
  } catch (error) {
    const known = asCordonError(error);
    void daemon.sessions.end(session, { state: 'ended', exitCode: 125, reason: known.message });
    throw known.code === 'internal' || known.code === 'unavailable'
      ? new CordonError('launch-failed', known.message, { ...known.facts, cause: error })
      : known;
  } finally {
    setImmediate(() => daemon.pool.fill());
  }
  return message('runAnswer', { session: session.id, attachPath: daemon.paths.attachSocket(session.id) });
}

function planRequest(
  daemon: Daemon,
  actor: Actor,
  { account, profile, workspace, mode }: CheckedRun,
): PlanRequest {
  return {
    profile,
    user: account.name,
    uid: account.uid,
    home: daemon.homeOf(account),
    workspace,
    ...(mode === undefined ? {} : { mode }),
    generation: 1,
    trusted: actor.admin,
  };
}

function refuseWhenStopped({ launchStop }: Daemon, actor: Actor, run: CheckedRun): void {
  launchStop.check(actor.uid);
  launchStop.check(run.account.uid);
}

function refuseWhenFull({ sessions }: Daemon, actor: Actor): void {
  const own = sessions.all.filter(({ owner }) => owner === actor.uid).length;
  if (sessions.all.length < maxSessions && (own < maxSessionsPerUser || actor.uid === 0)) return;
  throw new CordonError('limit', `${own} sessions of yours run, ${sessions.all.length} in all`, {
    fix: `end some first: at most ${maxSessionsPerUser} of one user, ${maxSessions} in all`,
  });
}

function prepare(daemon: Daemon, actor: Actor, run: CheckedRun, plan: Plan, link: SupervisorLink): Session {
  const id = newSessionId();
  const { capabilitySet } = plan;
  const session = new Session({
    session: id,
    uid: run.account.uid,
    owner: actor.uid,
    state: 'starting',
    started: daemon.now(),
    ended: 0,
    allowed: 0,
    denied: 0,
    facts: {
      user: run.account.name,
      gid: run.account.gid,
      home: daemon.homeOf(run.account),
      profile: run.profile,
      profileVersion: capabilitySet.profile.version,
      mode: capabilitySet.mode,
      requestedMode: run.mode ?? '',
      workspace: run.workspace,
      argv: run.argv.map((word) => toText(Buffer.from(word).toString('latin1'))),
      supervisorPid: link.pid,
      supervisorStart: link.start,
      initPid: 0,
      initStart: '',
      generation: capabilitySet.generation,
      policyDigest: capabilitySet.policyDigest,
      layers: [],
      exitCode: 0,
      endReason: '',
      frozenByAdmin: false,
    },
  });
  mkdirSync(daemon.paths.session(id), { mode: 0o711 });
  mkdirSync(`${daemon.paths.session(id)}/agent`, { mode: 0o755 });
  daemon.sessions.add(session);
  daemon.sessions.attach(session, link);
  session.capabilitySet = capabilitySet;
  return session;
}

function launchBody(
  daemon: Daemon,
  actor: Actor,
  run: CheckedRun,
  plan: Plan,
  { id }: Session,
): Partial<Bodies['launch']> {
  return {
    session: id,
    plan: JSON.stringify(plan),
    uid: run.account.uid,
    gid: run.account.gid,
    user: run.account.name,
    home: bytes(daemon.homeOf(run.account)),
    workspace: bytes(run.workspace),
    cwd: bytes(run.cwd),
    argv: run.argv,
    environment: run.environment,
    tty: run.tty,
    rows: run.rows,
    columns: run.columns,
    journalPath: daemon.paths.journal(id),
    attachPath: daemon.paths.attachSocket(id),
    agentSocketPath: daemon.paths.agentSocket(id),
    clientUid: actor.uid,
    upstream: daemon.settings.upstream,
    hosts: JSON.stringify(daemon.settings.hosts),
  };
}

/** The supervisor says it runs: take hold of its first process, and see that no layer is missing. */
function began(daemon: Daemon, session: Session, plan: Plan, { initPid, layers }: LaunchAnswer): void {
  const pidfd = initPid === 0 ? -1 : processes.pidfdOpen(initPid);
  if (pidfd >= 0) session.initPidfd = pidfd;
  daemon.sessions.update(session, session.state === 'starting' ? 'running' : session.state, {
    initPid: pidfd >= 0 ? initPid : 0,
    initStart: pidfd >= 0 ? procfs.startTime(initPid) : '',
    layers: layers.map(({ layer, effective, detail }) => ({ layer, effective, detail })),
  });
  if (session.state === 'killed') {
    if (pidfd >= 0) processes.pidfdSignal(pidfd, SIGKILL);
    throw new CordonError('killed', `session ${session.id} was killed while it started`);
  }
  const mayLack: ReadonlySet<string> = new Set(plan.mayLack);
  const missing = layers.find(({ layer, effective }) => !effective && !mayLack.has(layer));
  if (missing !== undefined)
    throw new CordonError('layer-missing', `layer ${missing.layer} is not in force: ${missing.detail}`, {
      fix: `cordon doctor says what this machine lacks; a profile may do without it: may-lack: [${missing.layer}]`,
    });
}
