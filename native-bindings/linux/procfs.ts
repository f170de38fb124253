// What /proc says of other processes (proc(5)). A number alone names a process only until it dies: compare the start
// time, or hold a pidfd while asking.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the name in parentheses, which may itself contain any byte.
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** Field 22 of stat, in clock ticks since boot; '' when there is no such process. */
export const startTime = (pid: number): string => statFields(pid)?.[19] ?? '';

/** One letter: R S D T Z …; '' when there is no such process. */
export const processState = (pid: number): string => statFields(pid)?.[0] ?? '';

export const parentOf = (pid: number): number => Number(statFields(pid)?.[1] ?? 0);

/** Of setsid(2): the process that leads the session; 0 when there is no such process. */
export const sessionOf = (pid: number): number => Number(statFields(pid)?.[3] ?? 0);

/** Whether this process has the capability (capabilities(7)) with this number, in effect. */
export function hasCapability(bit: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readProc('/proc/self/status'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n;
}

/** Every process that is there now. */
export const processes = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** Identity of a namespace such as `pid:[4026531836]`; '' when it cannot be read. */
export function namespaceOf(pid: number | 'self', kind: 'pid' | 'mnt' | 'net' | 'user'): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return '';
  }
}

/** A text file of /proc or /sys; '' when it cannot be read. */
export function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
