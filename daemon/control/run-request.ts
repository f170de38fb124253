// A RunRequest, checked: who the agent will be, where it works, under which profile and mode. Everything in it is the
// caller's word until it has passed here.
import { realpathSync, statSync } from 'node:fs';
import { credentials } from '../../native-bindings/linux/mod.ts';
import { CordonError, normalise } from '../model/mod.ts';
import type { BytePath, Mode } from '../model/mod.ts';
import type { RunRequest } from '../wire/mod.ts';
import type { Account, Accounts } from './accounts.ts';
import type { Actor } from './peer.ts';

export interface CheckedRun {
  readonly account: Account;
  readonly profile: string;
  readonly mode: Mode | undefined;
  readonly workspace: BytePath;
  readonly cwd: BytePath;
  readonly argv: readonly Uint8Array[];
  readonly environment: readonly Uint8Array[];
  readonly tty: boolean;
  readonly rows: number;
  readonly columns: number;
  /** The caller's word; empty: not known. */
  readonly agentVersion: string;
}

const maxPath = 4096;
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

const bad = (what: string, fix: string): CordonError => new CordonError('launch-failed', what, { fix });

export function checkRun(
  actor: Actor,
  body: RunRequest,
  accounts: Accounts,
  defaultProfile: string,
): CheckedRun {
  const account = agentAccount(actor, body.user, accounts);
  checkWords(body);
  const workspace = directory(actor, body.workspace, 'workspace');
  return {
    account,
    workspace,
    cwd: body.cwd.length === 0 ? workspace : directory(actor, body.cwd, 'cwd'),
    profile: profileName(body.profile, defaultProfile),
    mode: requestedMode(body.mode),
    argv: body.argv,
    environment: body.environment.filter(isAssignment),
    tty: body.tty,
    rows: Math.min(body.rows, 9999),
    columns: Math.min(body.columns, 9999),
    agentVersion: versionText(body.agentVersion),
  };
}

function agentAccount(actor: Actor, user: string, accounts: Accounts): Account {
  const account = user === '' ? accounts.byUid(actor.uid) : accounts.byName(user);
  if (account === undefined)
    throw bad(
      `user ${user === '' ? actor.name : user} has no entry in /etc/passwd`,
      'name an existing user: --user NAME',
    );
  if (account.uid !== actor.uid && !actor.admin)
    throw new CordonError(
      'not-permitted',
      `only root and administrators run agents as another user (${account.name})`,
      {
        fix: 'leave out --user, or join the admin group',
      },
    );
  if (account.uid === 0)
    throw new CordonError('not-permitted', 'agents never run as root', {
      fix: 'name the user the agent is to be: cordon run --user NAME …',
    });
  return account;
}

function checkWords({ argv, environment }: RunRequest): void {
  if (argv.length === 0 || argv[0]?.length === 0)
    throw bad('no command was given', 'cordon run -- COMMAND …');
  if ([...argv, ...environment].some((word) => word.includes(0)))
    throw bad('an argument or variable contains a NUL byte', 'remove it');
}

function versionText(given: string): string {
  if (given === '' || /^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$/.test(given)) return given;
  throw bad(`${JSON.stringify(given.slice(0, 64))} is no version of an agent`, 'leave it out');
}

const isAssignment = (word: Uint8Array): boolean => word.indexOf(0x3d) > 0;

/** What may be a path; whether it is there is not looked at. */
export function absolute(bytes: Uint8Array, name: string): string {
  const given = latin1(bytes);
  if (given.startsWith('/') && !given.includes('\0') && given.length <= maxPath) return given;
  throw bad(`the ${name} is not an absolute path`, `give an absolute path of at most ${maxPath} bytes`);
}

/**
 * An existing directory, symlinks resolved: policy compares what is really there. Looked for with the caller's own rights,
 * so that nobody learns from us what is in directories that are closed to him.
 */
function directory(actor: Actor, bytes: Uint8Array, name: string): BytePath {
  const given = absolute(bytes, name);
  const found = (): BytePath => {
    const real = realpathSync.native(Buffer.from(bytes), { encoding: 'buffer' });
    if (!statSync(real).isDirectory())
      throw bad(`the ${name} ${given} is not a directory`, 'name a directory');
    return normalise(latin1(real));
  };
  try {
    return actor.admin ? found() : credentials.asUser(actor.uid, actor.gid, found);
  } catch (error) {
    if (error instanceof CordonError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw bad(
      `the ${name} ${given} cannot be used: ${code ?? 'unknown error'}`,
      'name an existing directory',
    );
  }
}

export function profileName(given: string, fallback: string): string {
  const profile = given === '' ? fallback : given;
  if (profile.startsWith('/') && profile.length <= maxPath && !profile.includes('\0')) return profile;
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(profile)) return profile;
  throw new CordonError('not-found', `${JSON.stringify(profile.slice(0, 100))} is no name of a profile`, {
    fix: 'give a name, or the absolute path of a file',
  });
}

/** Undefined for a word that is no mode. */
export function modeNamed(word: string): Mode | undefined {
  return word === 'enforce' || word === 'monitor' ? word : undefined;
}

function requestedMode(word: string): Mode | undefined {
  const mode = modeNamed(word);
  if (mode !== undefined || word === '') return mode;
  if (word === 'dry-run') throw bad('the mode dry-run does not exist yet', 'use monitor or enforce');
  throw bad(`there is no mode ${JSON.stringify(word.slice(0, 20))}`, 'use enforce or monitor');
}

/** `enforce` narrows and is anybody's; any other mode than the profile's own loosens and is an administrator's. */
export function checkMode(actor: Actor, requested: Mode, own: Mode): void {
  if (requested === own || requested === 'enforce' || actor.admin) return;
  throw new CordonError(
    'not-permitted',
    `the profile says ${own}; only an administrator may loosen that to ${requested}`,
    {
      fix: 'leave out --mode, or ask an administrator',
    },
  );
}
