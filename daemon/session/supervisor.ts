// One session from the supervisor's side: prepared idle, launched on order, mediated until its command ends, and
// independent of the daemon all the while.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync } from 'node:fs';
import { processes } from '../../native-bindings/linux/mod.ts';
import { resizeTerminal } from '../launcher/mod.ts';
import { CordonError, type CapabilitySet, type NewRecord, type Plan } from '../model/mod.ts';
import { leftRunning } from './left-running.ts';
import { JournalWriter, SHARED, isWrittenTo } from '../supervisor/mod.ts';
import type { Bodies, Connection, Incoming } from '../wire/mod.ts';
import { AttachSocket, type Client } from './attach.ts';
import { AuditLoop } from './audit-loop.ts';
import { commandLine } from './command-line.ts';
import { EgressProcess } from './egress-process.ts';
import { buildEnvironment } from './environment.ts';
import { blockedActions, deniedExec, exitCode, reasonOf, signalName } from './exit-status.ts';
import { Ground } from './ground.ts';
import { journalPlace, openJournal } from './journal-place.ts';
import { LargeImages } from './large-images.ts';
import type { Confined, EffectiveLayer, NotStarted } from './messages.ts';
import { rehearseAttach, rehearseRecords } from './main-rehearsal.ts';
import { fits, planDigest, type PreparedOrder } from './prepared-order.ts';
import { Sandbox } from './sandbox.ts';
import { confineSession, groundOf, latin1 } from './session-confinement.ts';
import { tokensBy } from './token-ask.ts';
import { withOomScore } from './oom-score.ts';
import { umaskOf } from './umask.ts';
import { actAfter } from './wall-time.ts';

export interface SupervisorOptions {
  readonly runDir: string;
  readonly log: number;
  /** Sends a notice to the daemon when it is there. */
  readonly notify: Connection['notify'];
  /** Asks the daemon; rejects when it is away. */
  readonly ask: Connection['askFor'];
  /** The session is over and everything of it is gone. */
  readonly done: (status: number) => void;
}

const TMP_BYTES = 8 * 1024 ** 3;
const ATTACH_MS = 30_000;
/** What a launch took in memory is given back when it is long over. */
const TRIM_MS = 2000;
const HINT_MS = 100;
/** For digests of large images when all else is over: less than the daemon waits for us. */
const HASH_MS = 900;
/** Named in a record, of processes that outlived the command. */
const MAX_LEFT = 16;

type LaunchOrder = Bodies['launch'];

export class Supervisor {
  readonly sandbox: Sandbox;
  private readonly options: SupervisorOptions;
  private readonly shared = new SharedArrayBuffer(8 * SHARED.words);
  private readonly counters = new BigInt64Array(this.shared);
  private order: LaunchOrder | undefined;
  private plan: Plan | undefined;
  private readonly journalFd = journalPlace();
  private journal: JournalWriter | undefined;
  /** The launch that was prepared ahead, until it comes. */
  private prepared: PreparedOrder | undefined;
  private attachSocket: AttachSocket | undefined;
  private egress: EgressProcess | undefined;
  private confined: Confined | undefined;
  private ground: Ground | undefined;
  private audit: AuditLoop | undefined;
  private unattended: NodeJS.Timeout | undefined;
  private layers: EffectiveLayer[] = [];
  private agent: { readonly pid: number; readonly pidfd: number } | undefined;
  private hinted = 0n;
  private reason = '';
  private ending = false;
  private readonly images = new LargeImages({
    learn: (key, sha256) => this.sandbox.learnDigest(key, sha256),
    record: (record) => this.journal?.append(record),
  });

  constructor(options: SupervisorOptions) {
    this.options = options;
    this.sandbox = new Sandbox({
      runDir: options.runDir,
      tmpBytes: TMP_BYTES,
      onFailure: (error) => this.failed(error),
      onLargeImage: (image) => this.images.hash(image),
    });
  }

  get hello(): Bodies['supervisorHello'] {
    return {
      pid: process.pid,
      version: '1',
      session: this.order?.session ?? '',
      mountTable: createHash('sha256').update(this.sandbox.mountTable, 'latin1').digest('hex'),
      initPid: this.sandbox.preparedOrThrow.initPid,
      info: JSON.stringify({ layers: this.layers, denied: Number(this.counters[SHARED.denied]) }),
      fanotifyFd: this.sandbox.fanotify,
    };
  }

  get hasSession(): boolean {
    return this.order !== undefined;
  }

  /** Requests of the daemon. What throws is answered as a Failure. */
  async handle({ message }: Incoming): Promise<'launchAnswer' | 'ack'> {
    switch (message.kind) {
      case 'launch':
        await this.launch(message.body);
        return 'launchAnswer';
      case 'prepare':
        await this.prepareFor(message.body);
        return 'ack';
      case 'policyUpdate':
        await this.replacePolicy(JSON.parse(message.body.capabilitySet) as CapabilitySet);
        return 'ack';
      case 'sessionControl':
        this.control(message.body.verb, message.body.reason);
        return 'ack';
      default:
        throw new CordonError('protocol', `${message.kind} is not for a supervisor`);
    }
  }

  get launchAnswer(): Bodies['launchAnswer'] {
    return { layers: this.layers.map((l) => ({ ...l })), initPid: this.sandbox.preparedOrThrow.initPid };
  }
  get generation(): number {
    return this.plan?.capabilitySet.generation ?? 0;
  }

  private async launch(order: LaunchOrder): Promise<void> {
    if (this.order !== undefined) throw new CordonError('protocol', 'this supervisor has a session already');
    if (order.prepared === '') {
      const plan = this.planOf(order);
      this.order = order;
      await this.orEnd(() => this.takeOn(order, plan));
    } else {
      this.takeUp(order);
      this.order = order;
    }
    await this.orEnd(() => this.begin(order));
  }

  private planOf(order: LaunchOrder): Plan {
    if (this.prepared !== undefined) throw new CordonError('protocol', 'this supervisor was prepared');
    if (order.uid === 0)
      throw new CordonError('not-permitted', 'agents are not run as root', {
        fix: 'name a user: cordon run --user NAME',
      });
    return JSON.parse(order.plan) as Plan;
  }

  private async orEnd(work: () => Promise<void> | void): Promise<void> {
    try {
      await work();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      // Behind the answer, which says more: who hears of the end may listen no further.
      setImmediate(() => this.end(125, '', `the launch failed: ${why}`));
      throw error;
    }
  }

  /** The whole sandbox for a launch that is likely: all but the journal and the command. */
  private async prepareFor(order: LaunchOrder): Promise<void> {
    if (this.order !== undefined) throw new CordonError('protocol', 'this supervisor has a session already');
    const plan = this.planOf(order);
    this.prepared = { order, digest: planDigest(order.plan) };
    await this.takeOn(order, plan);
    await this.rehearse(order);
  }

  /** What is found out here is found out again at the launch: it is the going through it that counts. */
  private async rehearse(order: LaunchOrder): Promise<void> {
    const why = this.unfit({ ...order, prepared: this.prepared?.digest ?? '' });
    if (why !== undefined) throw new CordonError('stale', `${why} is different already`);
    rehearseRecords();
    this.audit?.rehearse();
    await rehearseAttach(`${order.attachPath}.rehearsal`);
  }

  /** Throws `stale` when the launch is not the one that was prepared, or anything has changed since; nothing of it has begun then. */
  private takeUp(order: LaunchOrder): void {
    const why = this.unfit(order);
    if (why === undefined) return;
    this.attachSocket?.close();
    throw new CordonError('stale', `what was prepared cannot be used: ${why} is different now`);
  }

  private unfit(order: LaunchOrder): string | undefined {
    const { prepared, ground, plan } = this;
    if (prepared === undefined || ground === undefined || plan === undefined) return 'what was asked for';
    if (isWrittenTo(this.shared)) return 'the journal, which was written to,';
    return (
      fits(prepared, order) ??
      ground.change() ??
      (this.missingLayers(plan).length > 0 ? 'a layer' : undefined)
    );
  }

  /** Mounts, decisions, confinement, layers: the sandbox as this session is to have it. */
  private async takeOn(order: LaunchOrder, plan: Plan): Promise<void> {
    const { capabilitySet } = plan;
    this.plan = plan;
    this.journal = new JournalWriter(
      { fd: this.journalFd, session: order.session, shared: this.shared },
      capabilitySet.mode,
      capabilitySet.generation,
    );
    this.ground = new Ground(groundOf(order, plan, this.sandbox.mountTable));
    this.startEgress(order, plan);
    this.confined = await confineSession(this.sandbox, {
      order,
      plan,
      never: this.ground.never,
      journal: this.journalFd,
      shared: this.shared,
      egress: this.egressForMediator(),
      runDir: this.options.runDir,
    });
    const source = this.sandbox.auditSource;
    this.audit = source === undefined ? undefined : new AuditLoop(source, this.journal, capabilitySet);
    this.ground.settle(this.sandbox.confinedThreads);
    this.checkLayers(plan);
    await this.listen(order);
  }

  /** From here on there is a session: it is recorded, and waits for its client. */
  private begin(order: LaunchOrder): void {
    if (this.plan === undefined) throw new CordonError('internal', 'no plan');
    openJournal(this.journalFd, order.journalPath);
    this.ground?.release();
    this.audit?.start();
    if (this.confined?.terminal !== undefined && order.rows > 0)
      resizeTerminal(this.confined.terminal.master, order.columns, order.rows);
    this.unattended = setTimeout(() => this.end(125, '', 'nobody attached to the session'), ATTACH_MS);
    setInterval(() => this.hint(), HINT_MS).unref();
  }

  private egressForMediator(): { port4: number; port6: number; flows: number } | undefined {
    if (this.egress === undefined) return undefined;
    const { ports } = this.sandbox.preparedOrThrow;
    return { port4: ports.tcp4, port6: ports.tcp6, flows: this.egress.flows };
  }

  /** Everything that does not depend on the session. */
  async prepare(): Promise<void> {
    const { listeners } = await this.sandbox.prepare();
    this.egress = new EgressProcess({ listeners, uid: 65534, log: this.options.log });
  }

  /** A session whose profile grants no network has no egress process, and nothing listens. */
  private startEgress(order: LaunchOrder, plan: Plan): void {
    if (!plan.network || this.journal === undefined) {
      this.egress?.stop();
      this.egress = undefined;
      for (const fd of Object.values(this.sandbox.preparedOrThrow.listeners)) closeSync(fd);
      return;
    }
    this.egress?.begin({
      session: order.session,
      capabilitySet: plan.capabilitySet,
      mayLack: plan.mayLack,
      upstream: order.upstream,
      hosts: order.hosts === '' ? {} : (JSON.parse(order.hosts) as Record<string, string[]>),
      journal: this.journal,
      tokens: tokensBy(this.options.ask),
    });
  }

  /** A layer that did not take hold is an error that names it, unless the profile says it may be missing. */
  private checkLayers(plan: Plan): void {
    const missing = this.missingLayers(plan);
    if (missing.length > 0)
      throw new CordonError(
        'layer-missing',
        `these layers did not take hold: ${missing.map((l) => l.layer).join(', ')}`,
        {
          fix: 'run: cordon doctor; or list the layer under may-lack in the profile',
        },
      );
  }

  /** Read back from the kernel, as they are now. */
  private missingLayers(plan: Plan): EffectiveLayer[] {
    if (this.confined === undefined) throw new CordonError('internal', 'not confined');
    this.layers = this.sandbox.layers(this.confined);
    return this.layers.filter((l) => !l.effective && !plan.mayLack.includes(l.layer));
  }

  /** Nobody is let in before the session begins. */
  private async listen({ attachPath, clientUid }: LaunchOrder): Promise<void> {
    this.attachSocket = new AttachSocket({
      path: attachPath,
      uid: clientUid,
      isOpen: () => this.order !== undefined,
      onAttach: (client) => {
        clearTimeout(this.unattended);
        if (this.order !== undefined)
          void this.start(this.order, client).catch((error: unknown) => this.failed(asError(error)));
      },
      onRefused: (reason) => {
        clearTimeout(this.unattended);
        this.end(125, '', reason);
      },
      onSignal: (signal) => this.signal(signal),
    });
    await this.attachSocket.listen();
  }

  private async start(order: LaunchOrder, client: Client): Promise<void> {
    const terminal = this.confined?.terminal;
    const { plan } = this;
    if (plan === undefined) return;
    const stdio =
      terminal === undefined ? client.stdio : ([terminal.slave, terminal.slave, terminal.slave] as const);
    if (stdio === undefined) {
      this.end(125, '', 'the client asked for a terminal, and the session has none');
      return;
    }
    if (terminal !== undefined) this.attachSocket?.relay(terminal.master);
    else this.sandbox.watchHanded(stdio);
    const identity = { user: order.user, home: latin1(order.home), uid: order.uid };
    const started = await withOomScore(order.oomScoreAdj, () =>
      this.sandbox.spawn({
        argv: order.argv.map(latin1),
        environment: buildEnvironment(plan.environment, order.environment.map(latin1), identity),
        cwd: latin1(order.cwd.length > 0 ? order.cwd : order.workspace),
        uid: order.uid,
        gid: order.gid,
        stdio: [...stdio],
        terminal: terminal !== undefined,
        umask: umaskOf(order.umask),
      }),
    );
    for (const fd of new Set(stdio)) closeSync(fd);
    if (started.type === 'not-started') this.notStarted(started);
    else this.running(order, plan, started.pid);
  }

  private notStarted({ code, message }: NotStarted): void {
    const refused = code === 'EACCES' || code === 'EPERM';
    const denial = refused && this.order !== undefined ? deniedExec(this.order.journalPath) : undefined;
    this.end(code === 'ENOENT' ? 127 : refused ? 126 : 125, '', denial ?? message);
  }

  private running(order: LaunchOrder, plan: Plan, pid: number): void {
    actAfter(TRIM_MS, processes.trimMemory);
    this.agent = { pid, pidfd: processes.pidfdOpen(pid) };
    this.record('launch', commandLine(order.argv), 'the session began');
    if (plan.limits.wall > 0)
      actAfter(plan.limits.wall * 1000, () => {
        this.record('limit', 'wall time', `the session ran for its ${plan.limits.wall} seconds`);
        this.end(137, 'SIGKILL', 'the wall time of the session is over');
      });
    void this.sandbox.exited?.then(
      ({ code, signal }) => this.end(exitCode(code, signal), signalName(signal), ''),
      () => undefined,
    );
  }

  /** What outlived the command ends with the session: nothing was denied, so this says that it was there. */
  private recordLeftRunning(): void {
    const left = this.agent === undefined ? [] : leftRunning(this.sandbox);
    if (left.length === 0) return;
    const detail = { processes: left.slice(0, MAX_LEFT) };
    const reason = 'they were still there when the session ended, and ended with it';
    this.record('left-running', left.length === 1 ? '1 process' : `${left.length} processes`, reason, detail);
  }

  private record(operation: string, object: string, reason: string, detail?: NewRecord['detail']): void {
    this.journal?.append({
      kind: 'session',
      operation,
      object,
      disposition: 'observed',
      layer: 'daemon',
      reason,
      ...(detail === undefined ? {} : { detail }),
      ...(this.agent === undefined ? {} : { process: { pid: this.agent.pid } }),
    });
  }

  private signal(signal: NodeJS.Signals): void {
    if (this.agent === undefined || this.agent.pidfd < 0) return;
    if (signal === 'SIGHUP' && this.confined?.terminal === undefined)
      this.end(129, 'SIGHUP', 'the client went away');
    else processes.pidfdSignal(this.agent.pidfd, signalNumbers[signal] ?? 15);
  }

  private async replacePolicy(capabilitySet: CapabilitySet): Promise<void> {
    if (this.plan === undefined || this.order === undefined)
      throw new CordonError('protocol', 'there is no session whose policy could change');
    await this.sandbox.replacePolicy(capabilitySet);
    this.audit?.replacePolicy(capabilitySet);
    await this.egress?.replacePolicy(capabilitySet);
    this.plan = { ...this.plan, capabilitySet };
    if (this.journal !== undefined) {
      this.journal.generation = capabilitySet.generation;
      this.journal.mode = capabilitySet.mode;
    }
    this.record('policy', capabilitySet.policyDigest, `generation ${capabilitySet.generation} is in force`);
  }

  private control(verb: string, reason: string): void {
    switch (verb) {
      case 'freeze':
      case 'resume':
        this.sandbox.cgroup.freeze(verb === 'freeze');
        return;
      case 'kill':
        this.sandbox.kill();
        this.sandbox.cgroup.freeze(false); // a frozen task dies only when it runs
        this.end(137, 'SIGKILL', reason === '' ? 'the session was killed' : reason);
        return;
      default:
        throw new CordonError('protocol', `unknown control verb ${verb}`);
    }
  }

  private hint(): void {
    const seq = this.counters[SHARED.seq] ?? 0n;
    if (seq === this.hinted) return;
    this.hinted = seq;
    this.options.notify('journalHint', {
      seq: Number(seq),
      denied: Number(this.counters[SHARED.denied]),
      bytes: fstatSync(this.journalFd).size,
    });
  }

  /** No cordond has it on record: nobody could stop it, and nobody would take in what it did. */
  disowned(): void {
    this.end(137, 'SIGKILL', 'cordond does not know this session');
  }

  /** A thread died or the like: nothing is mediated any more, so nothing may go on. */
  private failed(error: Error): void {
    if (this.ending) return;
    this.sandbox.kill();
    console.error(`supervisor: ${error.message}`);
    this.end(125, 'SIGKILL', `mediation failed: ${error.message}`);
  }

  /** Everything inside dies, the client hears how it ended, and the traces go. */
  private end(code: number, signal: string, reason: string): void {
    if (this.ending) return;
    this.ending = true;
    this.reason = reason;
    void this.finish(code, signal).catch((error: unknown) => {
      console.error('supervisor:', error);
      this.options.done(1);
    });
  }

  private async finish(code: number, signal: string): Promise<void> {
    this.recordLeftRunning();
    this.sandbox.kill();
    this.egress?.stop();
    await this.sandbox.stop();
    this.audit?.stop();
    for (const hit of this.sandbox.cgroup.hits())
      this.record('limit', hit, 'a limit of the profile was reached');
    this.record('exit', String(code), this.reason === '' ? 'the command ended' : this.reason);
    const denied = Number(this.counters[SHARED.denied]);
    const blocks = denied > 0 && this.order !== undefined ? blockedActions(this.order.journalPath) : [];
    const reason = reasonOf(this.reason, Number(this.counters[SHARED.unrecorded]));
    this.options.notify('sessionEnded', { exitCode: code, signal, denied, reason });
    const left = await this.attachSocket?.exit({ code, signal, reason, denied, blocks });
    if (left === false)
      this.record('client', 'cordon run', 'it stood still when the session ended, and was left');
    await this.images.settled(HASH_MS);
    this.options.done(0);
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

const signalNumbers: Partial<Record<NodeJS.Signals, number>> = {
  SIGINT: 2,
  SIGTERM: 15,
  SIGHUP: 1,
  SIGQUIT: 3,
  SIGTSTP: 20,
  SIGCONT: 18,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGWINCH: 28,
};
