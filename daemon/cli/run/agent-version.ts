// The version of the agent that a command starts, as far as it can be told from where the command lies: a package of npm's, or
// a directory that is called after a version. The user's word, for records and tokens; nothing is decided by it.
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';

const maxManifest = 256 * 1024;
const version = /^\d[0-9A-Za-z.+-]{0,63}$/;

/** As execvp(3) finds it. */
function found(command: string, searchPath: string): string | undefined {
  if (command.includes('/')) return command;
  return searchPath
    .split(':')
    .map((directory) => join(directory, command))
    .find((path) => existsSync(path));
}

/** `…/node_modules/NAME` or `…/node_modules/@SCOPE/NAME` that the file lies in. */
const packageOf = (file: string): string | undefined =>
  /^.*\/node_modules\/(?:@[^/]+\/)?[^/@]+(?=\/)/.exec(file)?.[0];

function versionIn(manifest: string): string {
  const stat = statSync(manifest);
  if (!stat.isFile() || stat.size > maxManifest) return '';
  const { version: said } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version?: unknown };
  return typeof said === 'string' && version.test(said) ? said : '';
}

/** Empty when it is not known. Never throws. */
export function agentVersion(command: string, searchPath: string): string {
  try {
    const path = found(command, searchPath);
    if (path === undefined) return '';
    const file = realpathSync(path);
    const directory = packageOf(file);
    if (directory !== undefined) return versionIn(join(directory, 'package.json'));
    const [, named = ''] = /\/versions?\/([^/]+)(?:\/|$)/.exec(file) ?? [];
    return /^\d+\.\d+/.test(named) && version.test(named) ? named : '';
  } catch {
    return '';
  }
}
