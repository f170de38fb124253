// A pseudo-terminal inside the sandbox's own devpts (node-pty), for a session that has a terminal.
import { fchownSync } from 'node:fs';
import { createRequire } from 'node:module';

interface NativePty {
  open(columns: number, rows: number): { master: number; slave: number; pty: string };
  resize(fd: number, columns: number, rows: number): void;
}

let native: NativePty | undefined;
/** node-pty's native part. Its spawn() starts a thread, which a thread after unshare(CLONE_NEWPID) may not; open() does not. */
export function loadPty(): void {
  const require = createRequire(import.meta.url);
  native ??= require('node-pty/build/Release/pty.node') as NativePty;
}

export interface Terminal {
  readonly master: number;
  readonly slave: number;
}

/** Opens a pair in the calling thread's /dev/pts, owned by the agent's user. */
export function openTerminal(columns: number, rows: number, uid: number): Terminal {
  loadPty();
  if (native === undefined) throw new Error('node-pty is not loaded');
  const { master, slave } = native.open(columns || 80, rows || 24);
  fchownSync(slave, uid, 5);
  return { master, slave };
}

export function resizeTerminal(master: number, columns: number, rows: number): void {
  loadPty();
  native?.resize(master, Math.max(1, columns), Math.max(1, rows));
}
