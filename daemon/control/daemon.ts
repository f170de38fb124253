// cordond: holds everything together. Starts in the order: locks, database, what the last daemon left, sockets, pool.
// Stops without touching the sessions: they go on, journal, and are taken up by the next daemon.
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { tryLock } from '../../native-bindings/linux/mod.ts';
import { daemonStream, openAudit } from '../audit/mod.ts';
import type { Audit, SessionFacts } from '../audit/mod.ts';
import type { Settings } from '../config/settings.ts';
import { LaunchStop } from '../killswitch/mod.ts';
import { CordonError, keepAll, keepForEver, normalise } from '../model/mod.ts';
import type { BytePath, NewRecord } from '../model/mod.ts';
import type { DoctorCheck } from '../wire/mod.ts';
import { realHome, systemAccounts } from './accounts.ts';
import type { Account, Accounts } from './accounts.ts';
import { Attestation } from './attestation.ts';
import { Closures } from './closures.ts';
import { adminDoor, agentDoor, supervisorDoor } from './doors.ts';
import { Foresight } from './foresight.ts';
import { hostFacts } from './host-facts.ts';
import { fileKeys, openHostKeys } from './host-keys.ts';
import type { HostKeys } from './host-keys.ts';
import { launchBody, makeSessionDirectories, planRequest } from './launch-body.ts';
import { closedRecord, openedRecords } from './log-life.ts';
import { pathsOf } from './paths.ts';
import type { Paths } from './paths.ts';
import { updatePolicy } from './policy-update.ts';
import type { PlanRequest, Profiles } from './profiles.ts';
import { Counts } from './rate.ts';
import { modeNamed } from './run-request.ts';
import { serve } from './server.ts';
import type { Listening } from './server.ts';
import type { Session } from './session.ts';
import { imageDigest, statementFacts } from './statement-facts.ts';
import { Sessions } from './sessions.ts';
import { removeStrays } from './strays.ts';
import { entryLogOf } from './entry-log.ts';
import { powerOf } from './power.ts';
import { SupervisorPool } from './supervisor-pool.ts';
import { Tokens } from './tokens.ts';
import { lastWords, rotateLog, spawnSupervisor } from './supervisor-process.ts';
import type { Spawned } from './supervisor-process.ts';
import { Uploads } from './uploads.ts';

export interface DaemonOptions {
  readonly settings: Settings;
  readonly profiles: Profiles;
  readonly version: string;
  /** Script of a supervisor. */
  readonly supervisorScript: string;
  /** Script of the uploader. */
  readonly uploaderScript: string;
  /** Unix time in milliseconds. */
  readonly now: () => number;
}

/** What `Daemon.open` has got before the daemon is made of it. */
interface Prepared {
  readonly locks: readonly number[];
  readonly keys: HostKeys;
}

/** Milliseconds. */
const drainInterval = 250;
const poolInterval = 2000;
const pruneInterval = 1000;
const policyAgain = 5000;
/** That the sockets wait for the token keys: a TPM that hangs keeps tokens waiting, and nothing else. */
const tokensPatience = 10_000;
/** Of which pruning takes so much, when there is much to prune. */
const pruneShare = 100;

export class Daemon {
  readonly settings: Settings;
  readonly profiles: Profiles;
  readonly version: string;
  readonly now: () => number;
  readonly started: number;
  readonly paths: Paths;
  readonly audit: Audit;
  readonly keys: HostKeys;
  readonly attestation: Attestation;
  readonly launchStop: LaunchStop;
  readonly sessions: Sessions;
  readonly pool: SupervisorPool;
  readonly foresight: Foresight;
  readonly closures: Closures;
  readonly uploads: Uploads;
  readonly tokens: Tokens;
  /** Launches of each uid that have no session yet. */
  readonly launching = new Counts<number>();
  /** Followers of records that each uid has. */
  readonly following = new Counts<number>();
  /** The doctor that is at work, if any. */
  doctor: Promise<DoctorCheck[]> | undefined;
  /** Why the latest reload of profiles did not take effect. */
  policyProblem: string | undefined;
  readonly #locks: readonly number[];
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #listening: Listening[] = [];
  readonly #draining = new Set<string>();
  /** A supervisor has ended, and may have left something. */
  #untidy = false;

  /** With its keys out of the TPM, where there is one to be used. */
  static async open(options: DaemonOptions): Promise<Daemon> {
    const { settings } = options;
    const paths = pathsOf(settings.runDir, settings.stateDir);
    const locks = takeDirectories(paths);
    return new Daemon(options, { locks, keys: await openHostKeys(settings.attestation, paths) });
  }

  constructor(
    { settings, profiles, version, supervisorScript, uploaderScript, now }: DaemonOptions,
    prepared?: Prepared,
  ) {
    this.settings = settings;
    this.profiles = profiles;
    this.version = version;
    this.now = now;
    this.started = now();
    const paths = pathsOf(settings.runDir, settings.stateDir);
    this.paths = paths;
    this.#locks = prepared?.locks ?? takeDirectories(paths);
    this.keys = prepared?.keys ?? fileKeys(paths, 'this daemon uses no TPM for them');
    const host = hostFacts(version);
    const redaction = settings.records?.redact ?? keepAll;
    const { signer, redactionKey, seal } = this.keys;
    this.audit = openAudit(paths.database, {
      now,
      host,
      redaction,
      signer,
      seal,
      onSigned: () => this.attestation.checkpointed(),
      ...(redactionKey === undefined ? {} : { redactionKey }),
    });
    const { dropped } = this.sealing;
    if (dropped !== '')
      process.stderr.write(`cordond: values that should be sealed are dropped: ${dropped}\n`);
    this.launchStop = new LaunchStop(this.audit.settings);
    this.sessions = new Sessions(this.audit, paths, now, (session, why) =>
      this.tokens.sessionOver(session, why),
    );
    const images = { daemon: imageDigest(process.argv[1] ?? ''), supervisor: imageDigest(supervisorScript) };
    this.attestation = new Attestation({
      settings: settings.attestation,
      store: this.audit.settings,
      facts: () => statementFacts(this, images, host.bootId),
      bootId: host.bootId,
      now,
      keys: this.keys,
      tokenKeys: () => this.tokens.wrappedKeys,
      unlocked: () => void this.#unlocked(),
      checkpoint: () => void this.audit.checkpoint(),
      note: (record) => this.note(daemonStream, record),
    });
    this.tokens = new Tokens(this);
    this.tokens.attestation = () => this.attestation.state;
    this.tokens.look = () => this.attestation.look();
    this.closures = new Closures((record) => this.note(daemonStream, record));
    this.uploads = new Uploads({
      sinks: settings.records?.sinks ?? [],
      log: entryLogOf(this.audit),
      script: uploaderScript,
      logFile: paths.uploaderLog,
      version,
      upstream: settings.upstream,
      hosts: settings.hosts,
      now,
      note: (record) => this.note(daemonStream, record),
      secret: (name) => this.keys.secrets.read(name),
      power: () => powerOf('/sys/class/power_supply'),
    });
    this.audit.spool.follow(() => this.uploads.hint());
    const { runDir, stateDir, pool } = settings;
    const program = { script: supervisorScript, runDir, stateDir, logFile: paths.supervisorLog };
    this.foresight = this.#foresee();
    this.pool = new SupervisorPool({
      size: pool,
      spawn: () => this.#watched(spawnSupervisor(program)),
      mountTable: mountTableDigest,
      lastWords: () => lastWords(paths.supervisorLog),
      spare: this.foresight,
    });
  }

  /** However it ends, with a session or before one, it may leave a directory behind. */
  #watched(supervisor: Spawned): Spawned {
    void supervisor.exited.then(() => (this.#untidy = true));
    return supervisor;
  }

  #foresee(): Foresight {
    return new Foresight({
      plan: (actor, run) => this.profiles.plan(planRequest(this, actor, run)),
      reserve: () => makeSessionDirectories(this),
      directory: (session) => this.paths.session(session),
      body: (actor, run, session) => launchBody(this, actor, run, session),
    });
  }

  async start(): Promise<void> {
    for (const record of openedRecords(this.audit, this.version)) this.note(daemonStream, record);
    const left = await this.sessions.restore();
    await Promise.race([this.tokens.start(), delay(tokensPatience, undefined, { ref: false })]);
    this.#removeStrayDirectories();
    removeStrays(this.paths.runDir);
    rotateLog(this.paths.supervisorLog);
    rotateLog(this.paths.uploaderLog);
    this.#listening.push(await serve(supervisorDoor(this)), await serve(adminDoor(this)));
    for (const session of left) session.agents = await this.openAgentSocket(session);
    this.profiles.onReload((problem) => void this.#reloaded(problem));
    this.#timers.push(
      setInterval(() => guarded('sessions', () => this.#lookAfterSessions()), drainInterval),
      setInterval(() => guarded('the pool', () => this.#lookAfterPool()), poolInterval),
      setInterval(() => guarded('the log', () => this.#prune()), pruneInterval),
    );
    this.pool.fill();
    this.uploads.start();
  }

  /** The keys came out of the TPM, or back with the escrow key, after the start. */
  async #unlocked(): Promise<void> {
    this.note(daemonStream, {
      kind: 'admin',
      operation: 'keys-unlocked',
      object: 'this machine',
      disposition: 'observed',
      layer: 'daemon',
      reason: 'the keys of cordond are open again: what waited is signed',
    });
    this.uploads.secretsChanged();
    await this.tokens.start();
  }

  /** The sessions stay. */
  stop(): void {
    this.uploads.stop();
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    for (const listening of this.#listening.splice(0)) listening.close();
    this.tokens.stop();
    this.pool.stop();
    this.foresight.stop();
    this.profiles.close();
    for (const session of this.sessions.all) session.release();
    this.attestation.close();
    this.closures.flush();
    this.note(daemonStream, closedRecord(this.audit, this.version));
    this.audit.close();
    for (const fd of this.#locks) closeSync(fd);
  }

  accounts(): Accounts {
    return systemAccounts();
  }

  /** What becomes of values that the settings want sealed. */
  get sealing(): { readonly wanted: boolean; readonly dropped: string } {
    const wanted = Object.values(this.settings.records?.redact ?? keepAll).includes('seal');
    const { vault, unsealed } = this.keys;
    return {
      wanted,
      dropped: wanted ? (vault === undefined ? unsealed : (vault.problem?.message ?? '')) : '',
    };
  }

  /** After links: rules are judged against the names the kernel has. */
  homeOf(account: Account): BytePath {
    return realHome(account.home === '' ? '/' : account.home);
  }

  /** What to ask of policy for a session that was launched before. */
  planRequestOf(uid: number, facts: SessionFacts): PlanRequest {
    const { profile, user, home, workspace, requestedMode, generation } = facts;
    const mode = modeNamed(requestedMode);
    const places = { home: normalise(home), workspace: normalise(workspace) };
    return { profile, user, uid, ...places, generation, ...(mode === undefined ? {} : { mode }) };
  }

  openAgentSocket(session: Session): Promise<Listening> {
    return serve(agentDoor(this, session));
  }

  /** Takes the session's new records in, in this turn's end and not more often. */
  drainSoon(session: string): void {
    if (this.#draining.has(session)) return;
    this.#draining.add(session);
    setImmediate(() => {
      const done = (): void => void this.#draining.delete(session);
      this.audit.spool.drain(session).then(done, (error: unknown) => {
        done();
        this.#complain('drain', session, error);
      });
    });
  }

  /** Compiles the session's policy anew and, when it changed, has it take effect. */
  refreshPolicy(session: Session): Promise<void> {
    // A launch looks at the policy once more when it is done.
    if (session.state === 'starting') return Promise.resolve();
    return (session.refreshed = session.refreshed.then(() => this.#refresh(session)));
  }

  /** What a supervisor does not take now it is told again. */
  async #refresh(session: Session): Promise<void> {
    try {
      await updatePolicy(this, session);
    } catch (error) {
      if (session.ending) return;
      this.#complain('policy-update', session.id, error);
      setTimeout(() => void this.refreshPolicy(session), policyAgain).unref();
    }
  }

  async #reloaded(problem: string | undefined): Promise<void> {
    this.policyProblem = problem;
    this.foresight.recheck();
    this.note(daemonStream, {
      kind: 'admin',
      operation: 'policy-reload',
      object: 'profiles',
      disposition: problem === undefined ? 'observed' : 'denied',
      layer: 'daemon',
      reason: problem ?? 'profiles were loaded anew',
    });
    if (problem === undefined)
      await Promise.all(this.sessions.all.map((session) => this.refreshPolicy(session)));
  }

  #lookAfterSessions(): void {
    for (const session of this.audit.spool.open) this.drainSoon(session);
    this.sessions.reap();
    this.audit.tend();
  }

  /** What the retention says may go. A disk that takes nothing more is tried again. */
  #prune(): void {
    const { retention = keepForEver, sinks = [] } = this.settings.records ?? {};
    const names = sinks.map(({ name }) => name);
    const end = this.now() + pruneShare;
    try {
      while (this.audit.prune(retention, names).pruned > 0 && this.now() < end);
    } catch (error) {
      process.stderr.write(`cordond: nothing was pruned: ${String(error)}\n`);
    }
  }

  #lookAfterPool(): void {
    this.pool.dropStale();
    this.foresight.recheck(mountTableDigest());
    this.pool.fill();
    if (this.sessions.takeDeaths() === 0 && !this.#untidy) return;
    this.#untidy = false;
    removeStrays(this.paths.runDir);
  }

  #complain(operation: string, session: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`cordond: ${operation} of session ${session}: ${reason}\n`);
    this.note(session, {
      kind: 'admin',
      operation,
      object: session,
      disposition: 'observed',
      layer: 'daemon',
      reason,
    });
  }

  /** What must not fail because the disk takes nothing. */
  note(subject: string, record: NewRecord): void {
    try {
      this.audit.spool.note(subject, record);
    } catch (error) {
      process.stderr.write(`cordond: not recorded: ${record.reason}: ${String(error)}\n`);
    }
  }

  /** Of sessions that are not live any more. */
  #removeStrayDirectories(): void {
    for (const name of readdirSync(this.paths.sessions))
      if (this.sessions.get(name) === undefined)
        rmSync(this.paths.session(name), { recursive: true, force: true });
  }
}

/** Comes again soon: what goes wrong now (too few descriptors, a full disk) must not end the daemon. */
function guarded(what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    process.stderr.write(`cordond: ${what} could not be looked after: ${String(error)}\n`);
  }
}

/** Makes and locks the directories. Throws when another daemon has them. */
function takeDirectories({ runDir, stateDir, journals, sessions, runLock, stateLock }: Paths): number[] {
  mkdirSync(runDir, { recursive: true, mode: 0o755 });
  mkdirSync(sessions, { recursive: true, mode: 0o711 });
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  mkdirSync(journals, { recursive: true, mode: 0o700 });
  return [runLock, stateLock].map((path) => {
    const fd = openSync(path, 'a', 0o600);
    if (tryLock(fd)) return fd;
    closeSync(fd);
    throw new CordonError('unavailable', `another cordond holds ${path}`, {
      fix: 'stop it, or give this one directories of its own: --run-dir, --state-dir',
    });
  });
}

/** What a supervisor compares its preparation with: SHA-256 of /proc/self/mountinfo. */
export const mountTableDigest = (): string =>
  createHash('sha256').update(readFileSync('/proc/self/mountinfo')).digest('hex');
