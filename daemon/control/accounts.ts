// Users and groups of this machine, from passwd(5) and group(5). Accounts that only a directory service knows are not
// seen: for those, membership of the admin group does not count.
import { readFileSync, realpathSync } from 'node:fs';
import { CordonError, normalise, toBytes } from '../model/mod.ts';
import type { BytePath } from '../model/mod.ts';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface Accounts {
  byUid(uid: number): Account | undefined;
  byName(name: string): Account | undefined;
  /** Members by listing, and those whose primary group it is. */
  inGroup(uid: number, group: string): boolean;
}

const rows = (text: string): string[][] => text.split('\n').map((line) => line.split(':'));

export function parseAccounts(passwd: string, group: string): Accounts {
  const accounts = rows(passwd)
    .filter((fields) => fields.length >= 7 && /^\d+$/.test(fields[2] ?? '') && /^\d+$/.test(fields[3] ?? ''))
    .map(([name = '', , uid, gid, , home = '']) => ({ name, uid: Number(uid), gid: Number(gid), home }));
  const byUid = (uid: number): Account | undefined => accounts.find((a) => a.uid === uid);
  return {
    byUid,
    byName: (name) => accounts.find((a) => a.name === name),
    inGroup: (uid, wanted) => {
      const account = byUid(uid);
      const found = rows(group).find(([name]) => name === wanted);
      if (account === undefined || found === undefined) return false;
      return Number(found[2]) === account.gid || (found[3] ?? '').split(',').includes(account.name);
    },
  };
}

/** Read afresh each time: membership that was taken away counts at once. */
export function systemAccounts(): Accounts {
  try {
    return parseAccounts(readFileSync('/etc/passwd', 'utf8'), readFileSync('/etc/group', 'utf8'));
  } catch (error) {
    throw new CordonError('internal', 'cannot read /etc/passwd and /etc/group', { cause: error });
  }
}

/** The home directory after links; as written when it is not there. */
export function realHome(home: string): BytePath {
  try {
    return normalise(realpathSync.native(home, { encoding: 'latin1' }));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(code)) return normalise(toBytes(home));
    throw error;
  }
}
