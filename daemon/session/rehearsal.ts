// Runs the notify thread's code once through on harmless calls of our own, before a session is known: the first real
// notification then finds it compiled. Nothing is decided for anybody, recorded, or changed.
import { Arena, AT, Files, O, processes, seccomp, sockets } from '../../native-bindings/linux/mod.ts';
import { createDecider } from '../decision/mod.ts';
import { judgeGitConfig } from '../decision/git-config.ts';
import type { CapabilitySet, RuleInfo } from '../model/mod.ts';
import { decide } from '../monitor/mod.ts';
import {
  BoundSockets,
  ControlSockets,
  ExecMediator,
  ImageDigests,
  JournalWriter,
  ProcessReader,
  Resolver,
  SHARED,
  TaskHandles,
  dispatch,
  type Mediation,
} from '../supervisor/mod.ts';

const ROUNDS = 40;
/** One that is granted and leads nowhere costs a tenth of an exec, and programs make many, one after another. */
const CONNECTS = 500;
/** RFC 5737: an example's. */
const somewhere = sockets.inet4([192, 0, 2, 1], 443);
const rule: RuleInfo = { id: 'rehearsal', source: { file: 'built in', line: 0, key: '' }, never: false };
const set: CapabilitySet = {
  generation: 0,
  mode: 'enforce',
  policyDigest: '',
  profile: { name: 'rehearsal', version: 0 },
  rules: [rule],
  files: [{ rule: 0, effect: 'allow', access: ['read', 'exec'], base: '/', glob: '' }],
  exec: [],
  network: [{ rule: 0, effect: 'allow', host: '192.0.2.1', port: 443 }],
  sockets: [],
};

/** A notification that says what we tell it to, of our own process, and whose answers go nowhere. */
class Script extends seccomp.Listener {
  private args: readonly bigint[] = [];
  constructor() {
    super(-1);
  }
  say(...args: readonly bigint[]): void {
    this.args = args;
  }
  override get pid(): number {
    return process.pid;
  }
  override arg(index: number): number {
    return Number(this.args[index] ?? 0n);
  }
  override argBig(index: number): bigint {
    return this.args[index] ?? 0n;
  }
  override argInt(index: number): number {
    return Number(BigInt.asIntN(32, this.args[index] ?? 0n));
  }
  override stillValid(): boolean {
    return true;
  }
}

/** `proc`: descriptor of the host's /proc. */
export function rehearse(proc: number): void {
  const files = new Files(proc);
  const sink = files.open('/dev/null', O.WRONLY | O.CLOEXEC);
  const reader = new ProcessReader(files, proc);
  const shared = new SharedArrayBuffer(8 * SHARED.words);
  const script = new Script();
  const m: Mediation = {
    listener: script,
    memory: new processes.RemoteMemory(),
    files,
    proc,
    reader,
    tasks: new TaskHandles(),
    resolver: new Resolver(files, proc, reader),
    journal: new JournalWriter({ fd: sink, session: 'rehearse', shared }, 'enforce', 0),
    decider: createDecider(set),
    mode: 'enforce',
    never: new Set(),
    neverExec: new Set(),
    joinCgroup: () => true,
    images: new ImageDigests(files, ({ fd }) => files.close(fd)),
    boundHere: new BoundSockets(files, new Set()),
    controlSockets: new ControlSockets('/run/cordon', []),
    isScratch: () => false,
    isNew: () => true,
    landlock: true,
    onlyOutside: () => false,
    workspace: '/',
    uid: 0,
    gid: 0,
    decide,
    judgeGitConfig,
    forgetReads: () => undefined,
    whileAllIsAsked: (effect) => effect(),
  };
  const memory = new Arena(4096);
  memory.cstring(0, '/bin/true');
  memory.cstring(64, '/cordon-rehearsal');
  memory.view.setBigUint64(128, memory.at(0), true);
  const mediators = { exec: new ExecMediator(m), egress: undefined };
  const entry = (name: string, kind: 'exec' | 'open' | 'connect') => ({ name, kind, errno: 1, reason: '' });
  for (let round = 0; round < ROUNDS; round++) {
    script.say(memory.at(0), memory.at(128), 0n);
    dispatch(m, mediators, entry('execve', 'exec'));
    // Refused: the rehearsal's policy grants no write.
    script.say(BigInt(AT.FDCWD), memory.at(64), BigInt(O.WRONLY | O.CREAT), 0o600n);
    dispatch(m, mediators, entry('openat', 'open'));
  }
  // Granted, and then there is no egress to connect it to: nothing leaves.
  memory.bytes.set(somewhere, 192);
  const socket = sockets.socket(sockets.AF.INET, sockets.SOCK.STREAM | sockets.SOCK.CLOEXEC);
  for (let round = 0; round < CONNECTS; round++) {
    script.say(BigInt(socket), memory.at(192), BigInt(somewhere.length));
    dispatch(m, mediators, entry('connect', 'connect'));
  }
  files.close(socket);
  files.close(sink);
  memory.free();
}
