// freeze, resume, kill; of one session or of all that the actor may touch. `kill --all` also stops new launches:
// everybody's when an administrator says so, else the actor's own.
import { CordonError } from '../../model/mod.ts';
import { freezeSession, killSession } from '../../killswitch/mod.ts';
import type { Verb } from '../../killswitch/mod.ts';
import { asCordonError, message } from '../../wire/mod.ts';
import type { ControlRequest } from '../../wire/mod.ts';
import { mayTouch, touchable } from '../access.ts';
import type { AdminContext, AdminHandler } from '../admin-table.ts';
import type { Daemon } from '../daemon.ts';
import type { Actor } from '../peer.ts';
import type { Session } from '../session.ts';

const verbs: ReadonlySet<string> = new Set<Verb>(['freeze', 'resume', 'kill']);
const isVerb = (verb: string): verb is Verb => verbs.has(verb);
const maxReason = 500;

export const control: AdminHandler<'control'> = async (context, body) => {
  const begun = performance.now();
  const { daemon, actor } = context;
  const verb = verbOf(body);
  const reason = body.reason.slice(0, maxReason);
  const targets = targetsOf(context, body, verb);
  // The stop comes first: nothing may start behind the back of a kill.
  const unrecorded = recorded(verb, () => {
    if (body.all) moveStop(daemon, actor, verb, reason);
    for (const session of targets) mayApply(actor, session, verb);
    recordAct(context, verb, body.all ? 'all' : body.session, reason, targets);
  });
  const failures = await applyToAll(daemon, actor, targets, verb, reason);
  if (unrecorded !== undefined) failures.push(`it is not on record: ${unrecorded.message}`);
  if (failures.length > 0)
    throw new CordonError('internal', `${verb} was not wholly done: ${failures.join('; ')}`, {
      fix: 'cordon sessions',
    });
  return message('controlAnswer', {
    sessions: targets.map(({ id }) => id),
    milliseconds: performance.now() - begun,
  });
};

/** What cannot be recorded is not done, unless it stops something: a full disk must not keep a session alive. */
function recorded(verb: Verb, write: () => void): CordonError | undefined {
  try {
    write();
    return undefined;
  } catch (error) {
    if (verb === 'resume' || error instanceof CordonError) throw error;
    return asCordonError(error);
  }
}

function verbOf({ verb, session, all }: ControlRequest): Verb {
  if (!isVerb(verb)) throw new CordonError('protocol', `there is no ${JSON.stringify(verb.slice(0, 20))}`);
  if (all === (session !== ''))
    throw new CordonError('not-found', `${verb} of one session or of all: exactly one of them`, {
      fix: `cordon ${verb} SESSION, or cordon ${verb} --all`,
    });
  return verb;
}

function targetsOf({ daemon, actor }: AdminContext, { session, all }: ControlRequest, verb: Verb): Session[] {
  const live = daemon.sessions.all.filter(
    (each) => !each.ending && (verb === 'kill' || each.state !== 'killed'),
  );
  if (all)
    return live.filter((each) => mayTouch(actor, each) && (verb !== 'resume' || mayResume(actor, each)));
  return [
    touchable(
      actor,
      session,
      live.find(({ id }) => id === session),
    ),
  ];
}

const mayResume = (actor: Actor, { facts }: Session): boolean => actor.admin || !facts.frozenByAdmin;

function mayApply(actor: Actor, session: Session, verb: Verb): void {
  if (verb === 'resume' && !mayResume(actor, session))
    throw new CordonError('not-permitted', `session ${session.id} was frozen by an administrator`, {
      fix: 'ask an administrator to resume it',
    });
}

function moveStop(daemon: Daemon, actor: Actor, verb: Verb, reason: string): void {
  const { launchStop } = daemon;
  const stop = { by: actor.uid, time: daemon.now(), reason };
  if (verb === 'kill') launchStop.engage(actor.admin ? 'all' : actor.uid, stop);
  if (verb !== 'resume') return;
  if (actor.admin) launchStop.releaseEverything();
  else launchStop.release(actor.uid);
}

/** On the disk before anything is done. */
function recordAct(
  { daemon, actor }: AdminContext,
  verb: Verb,
  object: string,
  reason: string,
  targets: readonly Session[],
): void {
  const subjects = object === 'all' ? ['daemon', ...targets.map(({ id }) => id)] : [object];
  for (const subject of subjects)
    daemon.audit.spool.append(subject, {
      kind: 'admin',
      operation: verb,
      object,
      disposition: 'observed',
      layer: 'daemon',
      reason: reason === '' ? `${verb} by ${actor.name}` : reason,
      process: { pid: actor.pid },
      detail: { actor: actor.name, uid: actor.uid, sessions: targets.map(({ id }) => id) },
    });
}

async function applyToAll(
  daemon: Daemon,
  actor: Actor,
  targets: readonly Session[],
  verb: Verb,
  reason: string,
): Promise<string[]> {
  const results = await Promise.allSettled(
    targets.map((session) => apply(daemon, actor, session, verb, reason)),
  );
  return results.flatMap((result, i) =>
    result.status === 'rejected' ? [`${targets[i]?.id ?? ''}: ${asCordonError(result.reason).message}`] : [],
  );
}

async function apply(
  daemon: Daemon,
  actor: Actor,
  session: Session,
  verb: Verb,
  reason: string,
): Promise<void> {
  if (verb === 'kill') {
    const target = daemon.sessions.target(session);
    // Before the killing: whatever ends the session from now on, it was killed.
    daemon.sessions.update(session, 'killed', {});
    await killSession(target, reason);
    await daemon.tokens.sessionOver(session.id, `killed by ${actor.name}`);
    void daemon.sessions.end(session, { state: 'killed', exitCode: 137, reason: `killed by ${actor.name}` });
    return;
  }
  await (verb === 'freeze' ? freeze : resume)(daemon, actor, session, reason);
}

/** An administrator's holds from the moment it was asked for: a user who resumes meanwhile is refused already. */
async function freeze(daemon: Daemon, actor: Actor, session: Session, reason: string): Promise<void> {
  const { sessions } = daemon;
  const before = session.facts.frozenByAdmin;
  if (actor.admin) sessions.update(session, session.state, { frozenByAdmin: true });
  try {
    await freezeSession(sessions.target(session), 'freeze', reason);
  } catch (error) {
    sessions.update(session, session.state, { frozenByAdmin: before });
    throw error;
  }
  if (!isOver(session)) sessions.update(session, 'frozen', {});
}

/** One that was on its way when an administrator froze the session changes nothing any more. */
async function resume(daemon: Daemon, actor: Actor, session: Session, reason: string): Promise<void> {
  const stillMay = (): void => mayApply(actor, session, 'resume');
  stillMay();
  await freezeSession(daemon.sessions.target(session), 'resume', reason, stillMay);
  stillMay();
  if (!isOver(session)) daemon.sessions.update(session, 'running', { frozenByAdmin: false });
}

const isOver = ({ state, ending }: Session): boolean => state === 'killed' || ending;
