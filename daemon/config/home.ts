// Users and their home directories, from /etc/passwd (passwd(5)); other name services are not asked.
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { CordonError } from '../model/mod.ts';

export interface User {
  readonly user: string;
  readonly home: string;
}

/** The user of this name, or whoever runs this process. */
export function homeOf(name: string | undefined): User {
  const own = userInfo();
  if (name === undefined || name === own.username) return { user: own.username, home: own.homedir };
  const fields = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([user]) => user === name);
  const home = fields?.[5];
  if (home !== undefined && home.startsWith('/')) return { user: name, home };
  throw new CordonError('not-found', `there is no user ${name} in /etc/passwd`, {
    fix: 'Name an existing user: --user NAME',
  });
}
