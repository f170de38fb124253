// The unprivileged user that agents run as in tests. Cordon never launches an agent as root.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface TestUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** Why tests that need root cannot run here, or undefined when they can. */
export const notRoot = (): string | undefined =>
  process.getuid?.() === 0 ? undefined : 'needs root: cordond makes namespaces and marks mounts';

function lookUp(name: string): TestUser | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((row) => row.startsWith(`${name}:`));
  if (line === undefined) return undefined;
  const [, , uid, gid, , home] = line.split(':');
  return { name, uid: Number(uid), gid: Number(gid), home: home ?? '/' };
}

/** Makes the user `cordontest<suffix>` when it does not exist. Test files that run at the same time take their own suffix. */
export function testUser(suffix = ''): TestUser {
  const name = `cordontest${suffix}`;
  const known = lookUp(name);
  if (known !== undefined) return known;
  // useradd(8) gives up at once when another one holds the password file's lock.
  const made = spawnSync('flock', ['/etc', 'useradd', '--create-home', '--shell', '/bin/bash', name], {
    encoding: 'utf8',
  });
  const user = lookUp(name);
  if (user === undefined) throw new Error(`cannot make the test user ${name}: ${made.stderr}`);
  return user;
}

/** The command line that becomes this user, with no supplementary groups. */
export const asUser = (user: TestUser, argv: readonly string[]): string[] => [
  'setpriv',
  `--reuid=${user.uid}`,
  `--regid=${user.gid}`,
  '--clear-groups',
  '--',
  ...argv,
];
