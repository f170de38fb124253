// The live sessions: which there are, how they end, and how a restarted daemon takes them up again.
import { closeSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { processes, procfs } from '../../native-bindings/linux/mod.ts';
import type { Audit, SessionFacts, SessionState } from '../audit/mod.ts';
import { killSession } from '../killswitch/mod.ts';
import type { Target } from '../killswitch/mod.ts';
import { CordonError } from '../model/mod.ts';
import type { SessionRecord } from '../model/mod.ts';
import { asCordonError } from '../wire/mod.ts';
import type { Paths } from './paths.ts';
import { Session } from './session.ts';
import { duplicateFanotify, isGone } from './supervisor-link.ts';
import type { SupervisorLink } from './supervisor-link.ts';

export interface Outcome {
  readonly state: SessionState;
  readonly exitCode: number;
  readonly reason: string;
  /** Nobody said how it ended: its journal may know. */
  readonly lost?: boolean;
}

const SIGKILL = 9;
/** Milliseconds a supervisor has to leave after its session: its client may still be reading. */
const leaveDeadline = 60_000;
/** The same when there is nobody to read: it was killed, or never began. */
const soon = 3000;
const askDeadline = 1000;

/** What must end with a session. Never rejects. */
export type SessionOver = (session: string, why: string) => Promise<void>;

export class Sessions {
  readonly #audit: Audit;
  readonly #paths: Paths;
  readonly #now: () => number;
  readonly #over: SessionOver;
  readonly #live = new Map<string, Session>();
  /** Supervisors that died without taking leave, since last asked. */
  #deaths = 0;

  constructor(audit: Audit, paths: Paths, now: () => number, over: SessionOver) {
    this.#over = over;
    this.#audit = audit;
    this.#paths = paths;
    this.#now = now;
  }

  get all(): readonly Session[] {
    return [...this.#live.values()];
  }

  get(id: string): Session | undefined {
    return this.#live.get(id);
  }

  /** A new session, on record before anything of it exists. */
  add(session: Session): void {
    const { id, uid, owner, state, started, ended, facts } = session;
    const row = { session: id, uid, owner, state, started, ended, allowed: 0, denied: 0, facts };
    const journal = this.#paths.journal(id);
    this.#audit.registry.add(row, journal);
    this.#audit.spool.register(id, journal);
    this.#live.set(id, session);
  }

  /**
   * Changes state and facts together, here and on record. A disk that takes nothing must not keep a session from being
   * stopped: then the record is behind, and a restarted daemon finds out anew.
   */
  update(session: Session, state: SessionState, facts: Partial<SessionFacts>): void {
    session.state = state;
    session.facts = { ...session.facts, ...facts };
    this.#try(session.id, () => this.#audit.registry.update(session.id, state, session.ended, session.facts));
  }

  /** The link is this session's from now on. */
  attach(session: Session, link: SupervisorLink): void {
    session.link = link.connection;
    session.seenGone = false;
    // Of the same process: a daemon that takes a session up again has found it by number and start time before.
    if (session.supervisorPidfd !== undefined) closeSync(session.supervisorPidfd);
    session.supervisorPidfd = link.pidfd;
    session.fanotifyFd ??= duplicateFanotify(link);
    void link.connection.closed.then(() => {
      if (session.link === link.connection) void this.#linkLost(session);
    });
  }

  /** Its supervisor turned out not to be the one: nothing of the session has begun there. The link is the caller's again. */
  detach(session: Session): void {
    session.link = session.supervisorPidfd = undefined;
    if (session.fanotifyFd !== undefined) closeSync(session.fanotifyFd);
    session.fanotifyFd = undefined;
  }

  /** After a restart: what the last daemon left. Sessions whose supervisor is gone have ended. */
  async restore(): Promise<readonly Session[]> {
    const rows = this.#audit.registry.live();
    const sessions = rows.map((row) => new Session(row));
    for (const session of sessions) this.#live.set(session.id, session);
    const alive = sessions.filter((session) => this.#reopen(session));
    for (const session of sessions)
      if (!alive.includes(session)) await this.end(session, lostSupervisor('while the daemon was away'));
      else if (isOver(session)) void this.end(session, endedBefore);
    const known = new Set(alive.map(({ id }) => id));
    for (const id of this.#audit.spool.open) if (!known.has(id)) await this.#audit.spool.finish(id);
    return alive;
  }

  /** A supervisor that reconnects with a session. Throws when it is not that session's. */
  adopt(id: string, link: SupervisorLink): Session {
    const session = this.#live.get(id);
    if (session === undefined || session.ending)
      throw new CordonError('not-found', `session ${id} is not on record as running`);
    const { supervisorPid, supervisorStart } = session.facts;
    if (link.pid !== supervisorPid || link.start !== supervisorStart)
      throw new CordonError('not-permitted', `process ${link.pid} is not the supervisor of session ${id}`);
    this.attach(session, link);
    if (session.initPidfd === undefined) this.#learnInit(session, link.hello.initPid);
    return session;
  }

  /** The daemon before this one was killed between the launch and its answer. */
  #learnInit(session: Session, initPid: number): void {
    const start = procfs.startTime(initPid);
    session.initPidfd = openSame(initPid, start);
    if (session.initPidfd === undefined) return;
    this.update(session, session.state === 'starting' ? 'running' : session.state, {
      initPid,
      initStart: start,
    });
  }

  /** Ends a session for good: nothing of it lives, its journal is taken in, its directory is gone. Never rejects. */
  async end(session: Session, outcome: Outcome): Promise<void> {
    if (session.ending) return;
    session.ending = true;
    const ended = this.#now();
    const known = session.facts.endReason !== '';
    const state = session.state === 'killed' ? 'killed' : outcome.state;
    this.update(session, state, known ? {} : { exitCode: outcome.exitCode, endReason: outcome.reason });
    try {
      await killSession(this.target(session), outcome.reason);
      await this.#awaitSupervisor(session);
      // It may have been launching when it was killed: then its first process is known only now.
      await killSession(this.target(session), outcome.reason);
    } catch (error) {
      this.#recordTrouble(session.id, asCordonError(error).message);
    }
    await this.#over(session.id, 'its session has ended');
    // When it cannot be taken in now, the journal stays, and the next daemon takes it in.
    await this.#audit.spool.finish(session.id).catch((error: unknown) => complain(session.id, error));
    if (outcome.lost === true && !known)
      this.#try(session.id, () => this.update(session, session.state, this.#journaledEnd(session.id)));
    // Only now: should the daemon die before this, the next one does all of it again.
    session.ended = ended;
    this.update(session, session.state, {});
    if (outcome.lost === true || outcome.exitCode === 125) this.#deaths += 1;
    session.release();
    // What cannot be removed now is removed by the next daemon.
    this.#try(session.id, () => rmSync(this.#paths.session(session.id), { recursive: true, force: true }));
    this.#live.delete(session.id);
  }

  takeDeaths(): number {
    const deaths = this.#deaths;
    this.#deaths = 0;
    return deaths;
  }

  /** What the supervisor's last record says, when it could not say it to a daemon. */
  #journaledEnd(id: string): Partial<SessionFacts> {
    const last = this.#audit.spool.find({ subjects: [id], limit: 1 }).at(-1);
    if (last === undefined) return {};
    const { kind, operation, object, reason } = JSON.parse(last.json) as SessionRecord;
    const code = Number(object);
    return kind === 'session' && operation === 'exit' && Number.isInteger(code)
      ? { exitCode: code, endReason: reason }
      : {};
  }

  target(session: Session): Target {
    const { id, facts, initPidfd, supervisorPidfd } = session;
    return {
      session: id,
      initPid: facts.initPid,
      initPidfd,
      supervisorPidfd,
      ask: async (verb, reason) => {
        if (session.link === undefined)
          throw new CordonError('unavailable', `the supervisor of ${id} is away`);
        await session.link.askFor('sessionControl', { verb, reason }, 'ack', { deadline: askDeadline });
      },
    };
  }

  /**
   * Sessions whose supervisor died without a word: looked for now and then. While its connection is open there may be a last
   * word in it, so who is seen to be gone for the first time has until the next look.
   */
  reap(): void {
    for (const session of this.all) {
      const { supervisorPidfd, facts } = session;
      if (session.ending || supervisorPidfd === undefined || !isGone(supervisorPidfd, facts.supervisorPid))
        continue;
      if (session.link === undefined || session.seenGone)
        void this.end(session, lostSupervisor('while the session ran'));
      session.seenGone = true;
    }
  }

  /** False when its supervisor is gone. */
  #reopen(session: Session): boolean {
    const { supervisorPid, supervisorStart, initPid, initStart } = session.facts;
    session.supervisorPidfd = openSame(supervisorPid, supervisorStart);
    session.initPidfd = openSame(initPid, initStart);
    return session.supervisorPidfd !== undefined;
  }

  /** Its death is the sandbox's: at once, and not at the next look. A supervisor that lives reconnects. */
  async #linkLost(session: Session): Promise<void> {
    session.link = undefined;
    const away = (): boolean => session.link === undefined && !session.ending;
    for (let i = 0; i < 40 && away(); i++) {
      this.reap();
      await delay(5);
    }
  }

  async #awaitSupervisor({ id, supervisorPidfd, initPidfd, facts, state }: Session): Promise<void> {
    if (supervisorPidfd === undefined) return;
    const until = performance.now() + (state === 'killed' || initPidfd === undefined ? soon : leaveDeadline);
    while (!isGone(supervisorPidfd, facts.supervisorPid)) {
      if (performance.now() > until) {
        processes.pidfdSignal(supervisorPidfd, SIGKILL);
        this.#recordTrouble(id, `supervisor ${facts.supervisorPid} did not leave and was killed`);
        return;
      }
      await delay(10);
    }
  }

  #recordTrouble(session: string, reason: string): void {
    this.#try(session, () =>
      this.#audit.spool.note(session, {
        kind: 'session',
        operation: 'end',
        object: session,
        disposition: 'observed',
        layer: 'daemon',
        reason,
      }),
    );
  }

  #try(session: string, write: () => unknown): void {
    try {
      write();
    } catch (error) {
      complain(session, error);
    }
  }
}

const complain = (session: string, error: unknown): void =>
  void process.stderr.write(`cordond: session ${session}: ${asCordonError(error).message}\n`);

const isOver = ({ state }: Session): boolean => state === 'killed' || state === 'ended';

/** The daemon before this one was killed while it ended the session. */
const endedBefore: Outcome = { state: 'ended', exitCode: 137, reason: 'ended while the daemon was killed' };

const lostSupervisor = (when: string): Outcome => ({
  state: 'ended',
  exitCode: 125,
  reason: `its supervisor died ${when}; the sandbox died with it`,
  lost: true,
});

/** A pidfd of the process that had this number and start time, if it still lives. */
function openSame(pid: number, start: string): number | undefined {
  if (pid === 0) return undefined;
  const pidfd = processes.pidfdOpen(pid);
  if (pidfd < 0) return undefined;
  if (procfs.startTime(pid) === start && !isGone(pidfd, pid)) return pidfd;
  closeSync(pidfd);
  return undefined;
}
