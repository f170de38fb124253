// Who acts: executable, name and ancestors of a task, read from the host's /proc. For records, never for decisions.
import { processes, type Files } from '../../native-bindings/linux/mod.ts';
import { toText, type ProcessInfo } from '../model/mod.ts';

const MAX_ANCESTORS = 16;
/** Characters of all their executables' names: a record has to fit. */
const MAX_NAMES = 16 * 1024;

export class ProcessReader {
  private readonly files: Files;
  private readonly proc: number;
  constructor(files: Files, proc: number) {
    this.files = files;
    this.proc = proc;
  }
  /** pid and executable: cheap enough for every record. */
  brief(pid: number): ProcessInfo {
    return { pid, exe: toText(this.files.readlink(this.proc, `${pid}/exe`)) };
  }
  /** The task and its ancestors inside the sandbox, nearest first. */
  tree(pid: number): ProcessInfo[] {
    const chain: ProcessInfo[] = [];
    let at = pid;
    let room = MAX_NAMES;
    while (at > 1 && at !== process.pid && chain.length < MAX_ANCESTORS) {
      const stat = this.files.readSmall(this.proc, `${at}/stat`);
      const open = stat.indexOf('(');
      const close = stat.lastIndexOf(')');
      if (open < 0 || close < 0) break;
      const ppid = Number(stat.slice(close + 2).split(' ')[1]);
      const { exe = '' } = this.brief(at);
      const shown = exe.length <= room ? exe : `${exe.slice(0, room)}…`;
      room = Math.max(0, room - exe.length);
      chain.push({ pid: at, exe: shown, ppid, comm: toText(stat.slice(open + 1, close)) });
      at = ppid;
    }
    return chain;
  }
  /** A field of /proc/PID/status as text, '' when absent. */
  status(pid: number): TaskStatus | undefined {
    const text = this.files.readSmall(this.proc, `${pid}/status`);
    const umask = /^Umask:\s*([0-7]+)$/m.exec(text)?.[1];
    const nsPid = /^NStgid:.*\s(\d+)$/m.exec(text)?.[1];
    const nsTid = /^NSpid:.*\s(\d+)$/m.exec(text)?.[1];
    if (umask === undefined || nsPid === undefined || nsTid === undefined) return undefined;
    return { umask: parseInt(umask, 8), nsPid: Number(nsPid), nsTid: Number(nsTid) };
  }
  /** Path of the image a task runs, one char a byte; '' when unknown. */
  image(pid: number): string {
    return this.files.readlink(this.proc, `${pid}/exe`);
  }
  /** Such as `pid:[4026531836]`; '' when the task is gone. */
  pidNamespace(pid: number): string {
    return this.files.readlink(this.proc, `${pid}/ns/pid`);
  }
  /** The thread group leader of a task. */
  leaderOf(pid: number): number | undefined {
    // The common case, without the text of the file.
    if (processes.leadsGroup(pid)) return pid;
    const tgid = /^Tgid:\s*(\d+)$/m.exec(this.files.readSmall(this.proc, `${pid}/status`))?.[1];
    return tgid === undefined ? undefined : Number(tgid);
  }
  /** The real command line of a running image. */
  commandLine(pid: number): string[] {
    const text = this.files.readSmall(this.proc, `${pid}/cmdline`);
    return text === '' ? [] : text.replace(/\0$/, '').split('\0');
  }
}

export interface TaskStatus {
  readonly umask: number;
  /** Process and thread id as the sandbox sees them. */
  readonly nsPid: number;
  readonly nsTid: number;
}
