// One sandbox as the supervisor's main thread drives it: three threads, prepared before the session is known.
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
} from 'node:fs';
import { Worker } from 'node:worker_threads';
import {
  AuditGroup,
  PermissionGroup,
  Poller,
  eventfd,
  isWriteOnly,
  processes,
  signalEvent,
} from '../../native-bindings/linux/mod.ts';
import { parseMountInfo, sessionCgroup, type SessionCgroup } from '../launcher/mod.ts';
import type { CapabilitySet, Layer } from '../model/mod.ts';
import type { AuditSource } from './audit-loop.ts';
import { askToEnd, awaitEnd, endState } from './thread-end.ts';
import type {
  BeginNotify,
  BeginOpen,
  Confine,
  Confined,
  EffectiveLayer,
  Exited,
  FromLaunchThread,
  FromMediationThread,
  HashImage,
  NotStarted,
  Prepared,
  Spawn,
  Spawned,
  ToLaunchThread,
  ToMediationThread,
} from './messages.ts';

const O_PATH = 0o10000000;
/** File systems whose opens are not asked about: their contents are the sandbox's own, or the kernel's. */
const unwatchedTypes = new Set([
  'proc',
  'sysfs',
  'devpts',
  'devtmpfs',
  'cgroup',
  'cgroup2',
  'mqueue',
  'bpf',
  'tracefs',
  'debugfs',
]);
const unwatchedPlaces = new Set(['/dev', '/sys']);

/** What does not end in this time ends with the process. */
const STOP_MS = 3000;
/** Blocking, and then not, in turn: nearly always all is over in the first of these. */
const LOOK_MS = 10;

type Message = FromLaunchThread | FromMediationThread;
type Waiter = {
  readonly types: readonly string[];
  resolve(message: Message): void;
  reject(error: Error): void;
};

/** A worker with a conversation: what arrives is given to whoever waits for it, in order. */
class Thread<To> {
  readonly worker: Worker;
  private readonly waiters: Waiter[] = [];
  private readonly unread: Message[] = [];
  private dead: Error | undefined;
  private readonly onDeath: (error: Error) => void;
  private readonly onLargeImage: (image: HashImage) => void;
  constructor(
    file: string,
    data: unknown,
    onDeath: (error: Error) => void,
    onLargeImage: (image: HashImage) => void = () => undefined,
  ) {
    this.onLargeImage = onLargeImage;
    this.worker = new Worker(new URL(file, import.meta.url), {
      workerData: data,
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    this.worker.on('message', (message: Message) => this.deliver(message));
    this.onDeath = onDeath;
    this.worker.on('error', (error) => this.died(error as Error));
    this.worker.on('exit', (code) => this.died(new Error(`${file} ended with ${code}`)));
  }
  get isDead(): boolean {
    return this.dead !== undefined;
  }
  private died(error: Error): void {
    if (this.dead !== undefined) return;
    this.dead = error;
    for (const waiter of this.waiters.splice(0)) waiter.reject(error);
    this.onDeath(error);
  }
  say(message: To): void {
    this.worker.postMessage(message);
  }
  /** The next message of one of these types; a `failed` rejects. */
  next<T extends Message['type']>(...types: readonly T[]): Promise<Extract<Message, { type: T }>> {
    return new Promise((resolve, reject) => {
      if (this.dead !== undefined) {
        reject(this.dead);
        return;
      }
      this.waiters.push({ types, resolve: resolve as (m: Message) => void, reject });
      for (const message of this.unread.splice(0)) this.deliver(message);
    });
  }
  private deliver(message: Message): void {
    if (message.type === 'hash') {
      this.onLargeImage(message);
      return;
    }
    // A failure that nobody waits for is the end of mediation, not a message to be kept.
    if (message.type === 'failed' && this.waiters.length === 0) {
      this.died(new Error(message.message));
      return;
    }
    const at = this.waiters.findIndex((w) => message.type === 'failed' || w.types.includes(message.type));
    if (at < 0) {
      this.unread.push(message);
      return;
    }
    const [waiter] = this.waiters.splice(at, 1);
    if (message.type === 'failed') waiter?.reject(new Error(message.message));
    else waiter?.resolve(message);
  }
}

export interface SandboxOptions {
  /** Directory of ours in which a stage for the mounts is made. */
  readonly runDir: string;
  readonly tmpBytes: number;
  /** A thread died, or something else after which mediation cannot go on. */
  readonly onFailure: (error: Error) => void;
  /** The notify thread met an image that is to be hashed beside the path. */
  readonly onLargeImage: (image: HashImage) => void;
}

export class Sandbox {
  readonly fanotify: number;
  private readonly handed: number;
  private readonly audit: number;
  private auditMounts: readonly (readonly [string, number])[] = [];
  readonly cgroup: SessionCgroup;
  readonly mountTable: string;
  private readonly launch: Thread<ToLaunchThread>;
  private readonly open: Thread<ToMediationThread>;
  private readonly notify: Thread<ToMediationThread>;
  private readonly wakeOpen = eventfd();
  private readonly wakeNotify = eventfd();
  private readonly endOpen = endState();
  private readonly endNotify = endState();
  private readonly proc: number;
  private readonly stage: string;
  private initPidfd = -1;
  prepared: Prepared | undefined;
  private notifyTid = 0;
  /** The notify thread is in its loop, or will be. */
  private serving = false;
  exited: Promise<Exited> | undefined;

  constructor(options: SandboxOptions) {
    const name = `s${process.pid}`;
    this.fanotify = PermissionGroup.create();
    this.handed = PermissionGroup.create();
    this.audit = AuditGroup.create();
    this.proc = openSync('/proc', O_PATH);
    this.mountTable = readFileSync('/proc/self/mountinfo', 'latin1');
    this.cgroup = sessionCgroup(this.mountTable, name);
    this.stage = `${options.runDir}/stage-${process.pid}`;
    mkdirSync(this.stage, { recursive: true, mode: 0o700 });
    const mediation = (wake: number, end: SharedArrayBuffer) => ({
      fanotify: this.fanotify,
      handed: this.handed,
      audit: this.audit,
      proc: this.proc,
      wake,
      end,
    });
    const failed = (error: Error): void => options.onFailure(error);
    this.open = new Thread('./open-thread.js', mediation(this.wakeOpen, this.endOpen), failed);
    const notify = mediation(this.wakeNotify, this.endNotify);
    this.notify = new Thread('./notify-thread.js', notify, failed, options.onLargeImage);
    const launch = {
      stage: this.stage,
      cgroup: name,
      fanotify: this.fanotify,
      audit: this.audit,
      tmpBytes: options.tmpBytes,
    };
    this.launch = new Thread('./launch-thread.js', launch, failed);
  }

  /** Everything that does not depend on the session. */
  async prepare(): Promise<Prepared> {
    await this.open.next('ready');
    await this.notify.next('ready');
    const prepared = await this.launch.next('prepared');
    this.initPidfd = processes.pidfdOpen(prepared.initPid);
    this.cgroup.addInit(prepared.initPid);
    this.launch.say({ type: 'mark', paths: this.watchedMounts(prepared.tid) });
    ({ auditMounts: this.auditMounts } = await this.launch.next('marked'));
    const mountNamespace = openSync(`/proc/self/task/${prepared.tid}/ns/mnt`, 'r');
    this.notify.say({ type: 'enter', mountNamespace });
    await this.notify.next('entered');
    closeSync(mountNamespace);
    rmdirSync(this.stage);
    this.prepared = prepared;
    return prepared;
  }

  /** Mount points of the sandbox's tree whose opens are asked about. */
  private watchedMounts(tid: number): string[] {
    return parseMountInfo(readFileSync(`/proc/self/task/${tid}/mountinfo`, 'latin1'))
      .filter(
        (m) =>
          !unwatchedTypes.has(m.type) && !unwatchedPlaces.has(m.target) && !m.target.startsWith('/proc/'),
      )
      .map((m) => m.target);
  }

  get preparedOrThrow(): Prepared {
    if (this.prepared === undefined) throw new Error('the sandbox is not prepared');
    return this.prepared;
  }

  /** Where opens are told of; undefined when some file system cannot be audited by handle. */
  get auditSource(): AuditSource | undefined {
    return this.auditMounts.length === 0 ? undefined : { group: this.audit, mounts: this.auditMounts };
  }

  /** The sandbox takes on the session: mounts, decisions, confinement. Afterwards only `spawn` is left to do. */
  async begin(
    confine: Omit<Confine, 'type'>,
    open: Omit<BeginOpen, 'type' | 'root' | 'audited' | 'pidNamespace'>,
    notify: Omit<BeginNotify, 'type'>,
  ): Promise<Confined> {
    const { tid, initPid } = this.preparedOrThrow;
    this.cgroup.limit(confine.limits);
    const root = openSync(`/proc/self/task/${tid}/root`, O_PATH);
    const audited = this.auditSource !== undefined;
    const pidNamespace = readlinkSync(`/proc/${initPid}/ns/pid`);
    this.open.say({ ...open, type: 'begin', root, audited, pidNamespace } satisfies BeginOpen);
    signalEvent(this.wakeOpen);
    this.notify.say({ ...notify, type: 'begin' } satisfies BeginNotify);
    this.launch.say({ ...confine, type: 'confine' });
    const [confined, { tid: notifyTid }] = await Promise.all([
      this.launch.next('confined'),
      this.notify.next('begun'),
      this.open.next('begun'),
    ]);
    this.notifyTid = notifyTid;
    this.notify.say({ type: 'serve', listener: confined.listener, landlock: confined.landlock });
    this.serving = true;
    return confined;
  }

  /** Threads whose mount namespaces are the sandbox's: the agent's tree, and the mediator's. */
  get confinedThreads(): readonly [number, number] {
    return [this.preparedOrThrow.tid, this.notifyTid];
  }

  /**
   * Files that the command is handed can be opened anew by their descriptors, on the machine's own mounts: what was
   * handed for writing only is not to be read by that unless a rule says so. Throws when they cannot be watched.
   */
  watchHanded(descriptors: readonly number[]): void {
    const group = new PermissionGroup(this.handed);
    for (const fd of descriptors.filter((each) => fstatSync(each).isFile()))
      if (!group.markFile(fd, isWriteOnly(fd)) && isWriteOnly(fd))
        throw new Error('standard output or error is a file whose opens cannot be watched');
  }

  async spawn(order: Omit<Spawn, 'type'>): Promise<Spawned | NotStarted> {
    this.launch.say({ ...order, type: 'spawn' });
    const answer = await this.launch.next('spawned', 'not-started');
    if (answer.type === 'spawned') this.exited = this.launch.next('exited');
    return answer;
  }

  /** Resolves when every cache has forgotten the old policy. */
  async replacePolicy(capabilitySet: CapabilitySet): Promise<void> {
    const message = { type: 'policy', capabilitySet } as const;
    this.open.say(message);
    signalEvent(this.wakeOpen);
    this.notify.say(message);
    signalEvent(this.wakeNotify);
    await Promise.all([this.open.next('policy-in-force'), this.notify.next('policy-in-force')]);
  }

  learnDigest(key: string, sha256: string): void {
    this.notify.say({ type: 'digest', key, sha256 });
    signalEvent(this.wakeNotify);
  }

  /** SIGKILL to pid 1: the kernel kills every process of the namespace with it. */
  kill(): void {
    if (this.initPidfd >= 0) processes.pidfdSignal(this.initPidfd, 9);
  }

  /** What took hold, read back from the kernel for the launch thread, whose children inherit it. */
  layers(confined: Confined): EffectiveLayer[] {
    const { tid, landlockAbi, memfdNoexec } = this.preparedOrThrow;
    const status = readFileSync(`/proc/self/task/${tid}/status`, 'latin1');
    const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '';
    const own = (ns: string): boolean =>
      readlinkSync(`/proc/self/task/${tid}/ns/${ns}`) !== readlinkSync(`/proc/self/ns/${ns}`);
    const layer = (name: Layer, effective: boolean, detail: string): EffectiveLayer => ({
      layer: name,
      effective,
      detail,
    });
    const initNs = `/proc/${this.preparedOrThrow.initPid}/ns/pid`;
    const pidns = existsSync(initNs) && readlinkSync(initNs) !== readlinkSync('/proc/self/ns/pid');
    return [
      layer('mount-namespace', own('mnt'), 'host tree read-only; private /dev /proc /run /tmp'),
      layer('pid-namespace', pidns, memfdNoexec ? 'memfd_noexec=1' : 'kernel has no vm.memfd_noexec'),
      layer('network-namespace', own('net'), 'loopback only'),
      layer('ipc-namespace', own('ipc'), ''),
      layer('uts-namespace', own('uts'), ''),
      layer('landlock', confined.landlock, landlockAbi > 0 ? `ABI ${landlockAbi}` : 'not in this kernel'),
      layer('seccomp', field('Seccomp') === '2', `${field('Seccomp_filters') || '?'} filter`),
      layer('seccomp-notify', confined.listener >= 0, ''),
      layer('fanotify', this.fanotify >= 0, 'open and exec permission events'),
      layer('cgroup', this.cgroup.holds(tid), this.cgroup.lacking || `version ${this.cgroup.version}`),
      layer('no-new-privileges', field('NoNewPrivs') === '1', ''),
    ];
  }

  /** So that the cgroup can be removed. Slow where it is version 1: when nobody waits any more. */
  leaveCgroup(): void {
    if (this.prepared !== undefined) this.cgroup.releaseThread(this.prepared.tid);
  }

  /** When this resolves every process inside is dead, and the mediation threads record nothing more. */
  async stop(): Promise<void> {
    this.kill();
    const ends = [[this.open, this.endOpen, this.wakeOpen] as const];
    if (this.serving) ends.push([this.notify, this.endNotify, this.wakeNotify]);
    for (const [, end, wake] of ends) {
      askToEnd(end);
      signalEvent(wake);
    }
    const waits = [
      (patience: number) => this.isEmpty(patience),
      ...ends.map(
        ([thread, end]) =>
          (patience: number) =>
            thread.isDead || awaitEnd(end, patience),
      ),
    ];
    const deadline = performance.now() + STOP_MS;
    for (const isOver of waits)
      while (!isOver(LOOK_MS) && performance.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    // Others on the machine who open what was handed are not to wait for us.
    closeSync(this.handed);
  }

  /** Pid 1 is dead, and so is everything else: it goes last. Blocks for so many milliseconds at most. */
  private isEmpty(patience: number): boolean {
    return this.initPidfd < 0 || new Poller([this.initPidfd]).wait(patience) > 0;
  }
}
