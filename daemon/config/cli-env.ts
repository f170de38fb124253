// What the CLI takes from its environment. Small on purpose: `cordon run` is on the launch path.
import { readFileSync } from 'node:fs';

export const defaultAdminSocket = '/run/cordon/admin.sock';
/** Profiles of this machine. */
export const localProfileDir = '/etc/cordon/profiles';

export interface CliEnvironment {
  /** CORDON_SOCKET, or where cordond listens by default. */
  readonly socket: string;
  /** Who called sudo, when root runs us through it. */
  readonly sudoUser: string | undefined;
  /** NO_COLOR (no-color.org: any non-empty value) or TERM=dumb. */
  readonly plain: boolean;
}

const nonEmpty = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

export function cliEnvironment(env: NodeJS.ProcessEnv = process.env): CliEnvironment {
  return {
    socket: nonEmpty(env['CORDON_SOCKET']) ?? defaultAdminSocket,
    sudoUser: nonEmpty(env['SUDO_USER']),
    plain: nonEmpty(env['NO_COLOR']) !== undefined || env['TERM'] === 'dumb',
  };
}

/** Where commands are looked for: PATH, or what execvp(3) takes without it. */
export const searchPath = (env: NodeJS.ProcessEnv = process.env): string => env['PATH'] ?? '/bin:/usr/bin';

/** Splits a NUL-terminated list such as /proc/self/environ (proc_pid_environ(5)). */
function nulList(bytes: Buffer): Buffer[] {
  const items: Buffer[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
    items.push(bytes.subarray(start, end));
    start = end + 1;
  }
  if (start < bytes.length) items.push(bytes.subarray(start));
  return items;
}

/** Our environment as the kernel gave it to us: `NAME=value`, bytes unchanged, where process.env decodes as UTF-8. */
export function environmentBytes(): Buffer[] {
  return nulList(readFileSync('/proc/self/environ')).filter((item) => item.indexOf(0x3d) > 0);
}

/** The last `count` arguments of this process, bytes unchanged. */
export function argumentBytes(count: number): Buffer[] {
  if (count === 0) return [];
  return nulList(readFileSync('/proc/self/cmdline')).slice(-count);
}
