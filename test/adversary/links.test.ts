// Names inside the workspace that lead out of it: made by the agent, or there before it came.
import t from 'tap';
import { linkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { attackAll, type Attack, type Site } from './harness.ts';

const leadsOut = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: (site) => ({ kind: 'file', object: join(site.outside, name) }),
});

const leadsToSecret = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: (site) => ({ kind: 'file', object: join(site.vault, name) }),
});

/** The object is named by the link in the workspace, or by its own name under never: either explains it. */
const hardLink = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: () => ({ kind: 'file', object: `/${name}/` }),
});

const attacks: readonly Attack[] = [
  leadsOut('symlink-write', 'a symlink of its own does not lead a write out'),
  leadsOut('symlink-append', 'a symlink of its own does not lead an append out'),
  leadsOut('symlink-create', 'a symlink to a name that is not there yet does not create it outside'),
  leadsToSecret('symlink-read-secret', 'a symlink does not lead to a file under never'),
  leadsOut('symlink-relative-write', 'a relative symlink does not lead out'),
  leadsOut('symlink-truncate', 'truncate does not follow a symlink out'),
  leadsOut('symlink-chmod', 'chmod does not follow a symlink out'),
  leadsOut('symlink-chained-write', 'a chain of symlinks does not lead a write out'),
  leadsToSecret('symlink-chained-read-secret', 'a chain of symlinks does not lead to a file under never'),
  leadsOut('symlink-directory-unlink', 'a symlinked directory does not let unlink out'),
  leadsOut('symlink-directory-mkdir', 'a symlinked directory does not let mkdir out'),
  leadsOut('symlink-directory-rename', 'a symlinked directory does not let rename out'),
  leadsOut('preexisting-symlink-write', 'a symlink that was there before does not lead a write out'),
  leadsToSecret(
    'preexisting-symlink-read-secret',
    'a symlink that was there before does not lead to a never file',
  ),
  leadsOut(
    'preexisting-symlink-directory-write',
    'a directory symlink that was there before leads no write out',
  ),
  leadsOut(
    'preexisting-symlink-directory-create',
    'a directory symlink that was there before creates nothing outside',
  ),
  leadsOut('hardlink-new-write', 'a file outside is not linked into the workspace to be written'),
  hardLink('hardlink-new-read-secret', 'a file under never is not linked into the workspace to be read'),
  {
    ...hardLink('hardlink-new-by-fd', 'a file under never is not linked by its descriptor'),
    record: () => ({ kind: 'file', object: '/proc/self/fd/' }),
  },
  hardLink('hardlink-new-through-symlink', 'a file under never is not linked through a symlink'),
  hardLink('preexisting-hardlink-read', 'a hard link to a never file, there before, is not readable'),
  hardLink('preexisting-hardlink-write', 'a hard link to a never file, there before, is not writable'),
  hardLink('preexisting-hardlink-truncate', 'a hard link to a never file, there before, is not truncated'),
  hardLink('preexisting-hardlink-chmod', 'a hard link to a never file, there before, keeps its mode'),
  hardLink(
    'preexisting-hardlink-rename-then-read',
    'renaming a hard link to a never file does not make it readable',
  ),
  hardLink(
    'preexisting-hardlink-link-then-read',
    'linking a hard link to a never file does not make it readable',
  ),
];

function prepare(site: Site): void {
  for (const { case: name } of attacks) {
    const here = (file: string): string => join(site.ws, name, file);
    if (name.startsWith('preexisting-symlink')) {
      symlinkSync(join(site.outside, name, 'victim'), here('pre-link'));
      symlinkSync(join(site.vault, `${name}.id_rsa`), here('pre-secret'));
      symlinkSync(join(site.outside, name), here('pre-directory'));
    }
    if (name.startsWith('preexisting-hardlink'))
      linkSync(join(site.vault, `${name}.id_rsa`), here('pre-hard'));
  }
}

t.test('names that lead out of the workspace', async (t) => {
  await attackAll(t, { attacks, prepare });
});
