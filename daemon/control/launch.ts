// From a checked request to a running session. What can be done before the supervisor is asked has been done by then:
// the profile is compiled, the directories and the agent's socket are there, the session is on record.
import { rmSync } from 'node:fs';
import { processes, procfs } from '../../native-bindings/linux/mod.ts';
import { attestationLacks, CordonError, toText } from '../model/mod.ts';
import type { Plan } from '../model/mod.ts';
import { asCordonError, message } from '../wire/mod.ts';
import type { LaunchAnswer, Message } from '../wire/mod.ts';
import type { Daemon } from './daemon.ts';
import type { Foreseen } from './foresight.ts';
import { launchBody, makeSessionDirectories, planRequest } from './launch-body.ts';
import type { Actor } from './peer.ts';
import { updatePolicy } from './policy-update.ts';
import { checkMode } from './run-request.ts';
import type { CheckedRun } from './run-request.ts';
import { Session } from './session.ts';
import { retire } from './supervisor-link.ts';
import type { SupervisorLink } from './supervisor-link.ts';

const maxSessions = 256;
const maxSessionsPerUser = 64;
const launchDeadline = 30_000;
const SIGKILL = 9;

export async function launch(daemon: Daemon, actor: Actor, run: CheckedRun): Promise<Message> {
  refuseWhenStopped(daemon, actor, run);
  refuseWhenFull(daemon, actor);
  const { plan, foreseen, link, session } = await counted(daemon, actor, () => begin(daemon, actor, run));
  try {
    // The command starts when its client attaches, and that has to wait for this answer: until then nobody can ask at
    // the agent's socket, and the session is on the disk.
    const [answer, agents, durable] = await Promise.allSettled([
      order({ daemon, actor, run, plan, session }, link, foreseen),
      daemon.openAgentSocket(session),
      daemon.audit.registry.durable(),
    ]);
    session.agents = valueOf(agents);
    valueOf(durable);
    began(daemon, session, plan, valueOf(answer));
    // It may have changed since the plan was made; the command waits for this answer.
    await updatePolicy(daemon, session);
    daemon.foresight.note(actor, run);
  } catch (error) {
    const known = asCordonError(error);
    void daemon.sessions.end(session, { state: 'ended', exitCode: 125, reason: known.message });
    throw known.code === 'internal' || known.code === 'unavailable'
      ? new CordonError('launch-failed', known.message, { ...known.facts, cause: error })
      : known;
  } finally {
    daemon.pool.launched();
  }
  return message('runAnswer', { session: session.id, attachPath: daemon.paths.attachSocket(session.id) });
}

interface Begun {
  readonly plan: Plan;
  readonly foreseen: Foreseen | undefined;
  readonly link: SupervisorLink;
  readonly session: Session;
}

/** Until there is a session, which counts itself: many may wait for a supervisor at once, each for one of its own. */
async function counted(daemon: Daemon, actor: Actor, work: () => Promise<Begun>): Promise<Begun> {
  const done = daemon.launching.add(actor.uid);
  try {
    return await work();
  } finally {
    done();
  }
}

async function begin(daemon: Daemon, actor: Actor, run: CheckedRun): Promise<Begun> {
  const request = planRequest(daemon, actor, run);
  if (run.mode !== undefined) checkMode(actor, run.mode, daemon.profiles.ownMode(request));
  const plan = daemon.profiles.plan(request);
  if ((plan.attestation ?? 'none') !== 'none') await daemon.attestation.look();
  refuseWhenUnattested(daemon, plan);
  const foreseen = daemon.foresight.take(actor, run, plan);
  const link = foreseen?.link ?? (await daemon.pool.take());
  return { plan, foreseen, link, session: onRecord({ daemon, actor, run, plan }, link, foreseen?.session) };
}

function valueOf<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}

interface Wanted {
  readonly daemon: Daemon;
  readonly actor: Actor;
  readonly run: CheckedRun;
  readonly plan: Plan;
}

interface Launching extends Wanted {
  readonly session: Session;
}

/** What cannot be recorded does not begin, and leaves no supervisor to nobody: on a full disk each launch would leave one. */
function onRecord(wanted: Wanted, link: SupervisorLink, reserved: string | undefined): Session {
  const { daemon } = wanted;
  let id = reserved;
  try {
    id ??= makeSessionDirectories(daemon);
    return prepare(wanted, link, id);
  } catch (error) {
    retire(link);
    if (id !== undefined) rmSync(daemon.paths.session(id), { recursive: true, force: true });
    daemon.pool.launched();
    throw error;
  }
}

/** What was prepared is used when its supervisor finds that nothing has changed since; else the pool serves. */
async function order(
  launching: Launching,
  link: SupervisorLink,
  foreseen: Foreseen | undefined,
): Promise<LaunchAnswer> {
  if (foreseen === undefined) return ask(launching, link);
  const { daemon, session } = launching;
  try {
    return await ask(launching, link, foreseen.digest);
  } catch (error) {
    if (asCordonError(error).code !== 'stale') throw error;
  }
  daemon.foresight.wasStale();
  daemon.sessions.detach(session);
  retire(link);
  const other = await daemon.pool.take();
  daemon.sessions.attach(session, other);
  daemon.sessions.update(session, session.state, { supervisorPid: other.pid, supervisorStart: other.start });
  if (session.ending || session.state === 'killed')
    throw new CordonError('killed', `session ${session.id} was killed while it started`);
  return ask(launching, other);
}

/** `prepared`: digest of the plan that the supervisor has already. */
function ask(launching: Launching, link: SupervisorLink, prepared?: string): Promise<LaunchAnswer> {
  const { daemon, actor, run, plan, session } = launching;
  // Nothing is awaited between this look at the switch and the launch: a kill that comes later finds the session.
  refuseWhenStopped(daemon, actor, run);
  const known = prepared === undefined ? { plan: JSON.stringify(plan) } : { prepared };
  const body = { ...launchBody(daemon, actor, run, session.id), ...known };
  return link.connection.askFor('launch', body, 'launchAnswer', { deadline: launchDeadline });
}

/** The profile decides what runs on a machine that has not proved itself. */
function refuseWhenUnattested({ attestation, now }: Daemon, plan: Plan): void {
  const lacking = attestationLacks(attestation.state, plan.attestation ?? 'none', now());
  if (lacking === undefined) return;
  throw new CordonError('not-permitted', `the profile demands an attested machine, and ${lacking}`, {
    fix: 'cordon attest quote --verifier URL, as an administrator; cordon attest status says how it stands',
  });
}

function refuseWhenStopped({ launchStop, audit }: Daemon, actor: Actor, run: CheckedRun): void {
  audit.spool.mustTake();
  launchStop.check(actor.uid);
  launchStop.check(run.account.uid);
}

/** Those that begin are counted too. */
function refuseWhenFull({ sessions, launching }: Daemon, actor: Actor): void {
  const own = sessions.all.filter(({ owner }) => owner === actor.uid).length + launching.of(actor.uid);
  const all = sessions.all.length + launching.total;
  if (all < maxSessions && (own < maxSessionsPerUser || actor.uid === 0)) return;
  throw new CordonError('limit', `${own} sessions of yours run, ${all} in all`, {
    fix: `end some first: at most ${maxSessionsPerUser} of one user, ${maxSessions} in all`,
  });
}

/** On record, before anything of it runs. */
function prepare({ daemon, actor, run, plan }: Wanted, link: SupervisorLink, id: string): Session {
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
      agentVersion: run.agentVersion,
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
  daemon.sessions.add(session);
  daemon.sessions.attach(session, link);
  session.capabilitySet = capabilitySet;
  return session;
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
