// Running a program under a `never` exec rule, by all its names, and code that is in no file.
import t from 'tap';
import { copyFileSync, linkSync } from 'node:fs';
import { join } from 'node:path';
import { attackAll, type Attack, type Outcome, type Site } from './harness.ts';

const ran = (_site: Site, outcome: Outcome): boolean => outcome.result === 'succeeded';

const never = (name: string, title: string): Attack => ({
  case: name,
  title: `a program under never does not run ${title}`,
  native: 'succeeds',
  record: () => ({ kind: ['exec', 'file'], object: 'forbidden' }),
  happened: ran,
});

/** A file that may not be renamed or linked: the denial is that of the mutation. */
const neverMoved = (name: string, title: string): Attack => ({
  ...never(name, title),
  record: () => ({ kind: 'file', operation: /link|rename/, object: 'forbidden' }),
});

/** Another name of the same object: the record tells that name. */
const neverLinked = (name: string, title: string): Attack => ({
  ...never(name, title),
  record: () => ({ kind: 'exec', object: 'pre-innocent' }),
});

const memory = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: () => ({ kind: ['exec', 'syscall', 'file'], operation: /exec|memfd/ }),
  happened: ran,
});

const kernels = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'refused',
  unrecorded: 'the kernel refuses it, whatever a rule says',
  happened: ran,
});

const attacks: readonly Attack[] = [
  never('exec-never-path', 'by its name'),
  never('exec-never-proc-self-root', 'through /proc/self/root'),
  never('exec-never-symlink', 'through a symlink'),
  neverMoved('exec-never-hardlink-new', 'through a new hard link'),
  neverLinked('exec-never-hardlink-preexisting', 'through a hard link that was there before'),
  neverMoved('exec-never-rename', 'under another name'),
  {
    case: 'exec-never-copy',
    title:
      'a copy of a program under never is another program (LIMITATIONS): exec rules are about names and inodes',
    native: 'succeeds',
    allowed: true,
    happened: ran,
  },
  kernels('exec-fifo', 'a named pipe is not read when it is executed'),
  kernels('exec-directory', 'a directory is refused as the kernel refuses it'),
  never('exec-never-by-sh', 'by sh -c'),
  never('exec-never-by-env', 'by env'),
  {
    ...never('exec-never-by-ld-so', 'by the dynamic linker'),
    record: () => ({ kind: 'exec', object: '/ld-linux' }),
  },
  {
    ...never('exec-never-by-ld-so-option', 'by the dynamic linker under another name'),
    record: () => ({ kind: 'exec', object: '/ld-linux' }),
  },
  {
    ...never('exec-never-by-ld-so-interpreter', 'by the dynamic linker as the interpreter of a script'),
    record: () => ({ kind: 'exec', object: 'script' }),
  },
  never('exec-never-as-interpreter', 'as the interpreter of a script'),
  never('exec-never-execveat-fd', 'by execveat of a descriptor'),
  never('exec-never-execveat-dirfd', 'by execveat relative to a directory'),
  never('exec-never-proc-self-fd', 'through /proc/self/fd'),
  memory('memfd-execveat', 'a program in memory is not run by execveat'),
  memory('memfd-proc-self-fd', 'a program in memory is not run through /proc/self/fd'),
  memory('memfd-parent-proc-fd', "a program in memory is not run through the parent's /proc entry"),
  {
    case: 'exec-never-unnamed-copy',
    title: 'a program in an unnamed file has no path that could be judged, and does not run',
    native: 'succeeds',
    record: () => ({ kind: ['exec', 'file'] }),
    happened: ran,
  },
];

function prepare(site: Site): void {
  const forbidden = join(site.base, 'bin/forbidden');
  copyFileSync(forbidden, join(site.base, 'bin/keep'));
  linkSync(forbidden, join(site.ws, 'exec-never-hardlink-preexisting/pre-innocent'));
}

t.test('programs under never', async (t) => {
  await attackAll(t, { attacks: attacks.filter(({ case: name }) => name !== 'exec-never-rename'), prepare });
});

// It moves the program away where nothing hinders it, so it has a session of its own.
t.test('a program under never, renamed', async (t) => {
  await attackAll(t, { attacks: attacks.filter(({ case: name }) => name === 'exec-never-rename') });
});
