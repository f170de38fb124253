// RunRequest from our options and our own process.
import { readlinkSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { argumentBytes, environmentBytes, searchPath } from '../../config/cli-env.ts';
import { CordonError } from '../../model/errors.ts';
import { agentVersion } from './agent-version.ts';
import { bytes, flag, item, number, text } from './codec.ts';
import type { RunOptions } from './arguments.ts';

export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

/** undefined: not a terminal at both ends. */
export type Terminal = WindowSize | undefined;

function workspaceBytes(directory: string | undefined, cwd: Buffer): Buffer {
  if (directory === undefined) return cwd;
  try {
    return realpathSync(resolve(directory), 'buffer');
  } catch (error) {
    throw new CordonError(
      'not-found',
      `the workspace ${directory} cannot be used: ${(error as Error).message}`,
      {
        fix: 'Give an existing directory: --workspace DIR',
        cause: error,
      },
    );
  }
}

/** The profile: a name, or a path that we make absolute because the daemon does not share our directory. */
const profileText = (profile: string): string =>
  profile.includes('/') || /\.ya?ml$/.test(profile) ? resolve(profile) : profile;

/** Root may run agents for others, never as root. */
export function agentUser(options: RunOptions, uid: number, sudoUser: string | undefined): string {
  if (options.user !== undefined) return options.user;
  if (uid !== 0) return '';
  if (sudoUser !== undefined && sudoUser !== 'root') return sudoUser;
  throw new CordonError('not-permitted', 'an agent never runs as root, and root gave no other user', {
    fix: 'Name the user whose rights it gets: cordon run --user NAME -- CMD…',
  });
}

/** Our directory when it is the workspace or below it; else nothing, which means the workspace. */
function startDirectory(cwd: Buffer, workspace: Buffer): Buffer {
  const [here, above] = [cwd.toString('latin1'), workspace.toString('latin1')];
  return here === above || here.startsWith(above === '/' ? above : `${above}/`) ? cwd : Buffer.alloc(0);
}

export function runRequest(options: RunOptions, user: string, terminal: Terminal): Buffer[] {
  const cwd = readlinkSync('/proc/self/cwd', 'buffer');
  const workspace = workspaceBytes(options.workspace, cwd);
  const argv = argumentBytes(options.commandLength);
  return [
    ...text(1, profileText(options.profile)),
    ...bytes(2, workspace),
    ...text(3, options.mode),
    ...argv.flatMap((argument) => item(4, argument)),
    ...environmentBytes().flatMap((variable) => item(5, variable)),
    ...bytes(6, startDirectory(cwd, workspace)),
    ...text(7, user),
    ...flag(8, terminal !== undefined),
    ...number(9, terminal?.rows ?? 0),
    ...number(10, terminal?.columns ?? 0),
    // Root reads no file of those it runs agents for.
    ...text(11, user === '' ? agentVersion(argv[0]?.toString() ?? '', searchPath()) : ''),
  ];
}

export const attachMessage = (terminal: Terminal): Buffer[] => [
  ...flag(1, terminal !== undefined),
  ...number(2, terminal?.rows ?? 0),
  ...number(3, terminal?.columns ?? 0),
];
