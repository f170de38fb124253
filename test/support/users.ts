import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}
/** Accounts of every Debian. */
export const nobody: User = { name: 'nobody', uid: 65534, gid: 65534 };
export const bin: User = { name: 'bin', uid: 2, gid: 2 };
export const games: User = { name: 'games', uid: 5, gid: 60 };

export interface Answer {
  readonly kind: string;
  readonly body: Readonly<Record<string, unknown>>;
}

const script = fileURLToPath(new URL('./ask-as.ts', import.meta.url));
/** `{ bytes: 'text' }` in a body becomes bytes. */
export async function askAs(
  user: User,
  socket: string,
  requests: readonly (readonly [string, object])[],
): Promise<Answer[]> {
  const args = ['--disable-warning=ExperimentalWarning', script, `${user.uid}`, `${user.gid}`, socket];
  const { stdout } = await promisify(execFile)(process.execPath, [...args, JSON.stringify(requests)]);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);
}
