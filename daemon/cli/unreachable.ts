// What to say when cordond's socket cannot be reached.
import { CordonError } from '../model/errors.ts';

const startHint = 'Start it: systemctl start cordond — or, as root, from a source tree: dist/cordond';

const reasons: Readonly<Record<string, readonly [string, string]>> = {
  ENOENT: ['does not exist', startHint],
  ECONNREFUSED: ['exists, but nobody listens on it', startHint],
  EACCES: [
    'may not be opened by this user',
    'Ask an administrator to check the permissions of its directory.',
  ],
};

export function unreachable(path: string, error: NodeJS.ErrnoException): CordonError {
  const known = reasons[error.code ?? ''];
  const [what, fix] = known ?? [`cannot be used (${error.code ?? error.message})`, 'See: cordon doctor'];
  return new CordonError('unavailable', `cordond cannot be reached: ${path} ${what}`, { fix, cause: error });
}
