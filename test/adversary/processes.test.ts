// Other processes, descriptors, namespaces and identity.
import t from 'tap';
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { asUser } from '../support/user.ts';
import { until } from '../support/until.ts';
import { attackAll, type Attack, type Outcome, type Site } from './harness.ts';

const reported = (_site: Site, outcome: Outcome): boolean => outcome.result === 'succeeded';

const call = (
  name: string,
  operation: RegExp,
  title: string,
  native: Attack['native'] = 'succeeds',
): Attack => ({
  case: name,
  title,
  native,
  record: () => ({ kind: 'syscall', operation }),
  happened: reported,
});

/** What only reads is not asked about where it finds nothing: that the process is not there is a fact (LIMITATIONS). */
const unseen = (name: string, title: string, happened: Attack['happened'] = reported): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  unrecorded: 'there is nothing to read: the process is in another pid namespace',
  happened,
});
const outOfReach = (
  name: string,
  operation: RegExp,
  title: string,
  happened: Attack['happened'],
): Attack => ({
  ...unseen(name, title, happened),
  record: (site) => ({ kind: 'syscall', operation, object: `process ${victimOf(site).pid}` }),
});

// --- set-id bits: what the harness sees on disk
function setIdBits(site: Site, outcome: Outcome): boolean {
  try {
    return (statSync(join(site.ws, outcome.case, 'tool')).mode & 0o6000) !== 0;
  } catch {
    return false; // Nothing was made.
  }
}
const setId = (name: string, title: string): Attack => ({
  case: name,
  title: `no set-id bit is set ${title}`,
  native: 'succeeds',
  record: (site) => ({
    kind: ['file', 'syscall'],
    ...(name.includes('fchmod') && !name.includes('at') ? {} : { object: join(site.ws, name) }),
    operation: /chmod|open|write|truncate|create|creat|mknod|link|mkdir/,
  }),
  happened: setIdBits,
});

// --- orphans
const orphanName = (site: Site, outcome: Outcome): string => `orphan-${site.token}-${outcome.case}`;

function pidsNamed(name: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${name}\0`);
      } catch {
        return false; // Ended meanwhile.
      }
    })
    .map(Number);
}

/** Still alive three seconds after the session. What is found is ended, by its own pid. */
async function orphanLives(site: Site, outcome: Outcome): Promise<boolean> {
  const name = orphanName(site, outcome);
  const gone = await until('the orphan is gone', () => pidsNamed(name).length === 0, { within: 3000 }).catch(
    () => false,
  );
  for (const pid of pidsNamed(name)) process.kill(pid, 'SIGKILL');
  return !gone;
}
const orphan = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  mayReport: 'succeeded',
  unrecorded: 'starting processes is allowed: that they ended with the session is on record, not as a denial',
  happened: orphanLives,
});

// --- a process of the same user outside
interface Victim {
  readonly pid: number;
  signalled: boolean;
}
const victims = new Map<string, Victim>();

async function startVictim(site: Site): Promise<() => void> {
  const script = 'trap "echo signalled" USR1; echo ready; while :; do sleep 0.05; done';
  const [file = '', ...rest] = asUser(site.user, ['bash', '-c', script, `host-victim-${site.token}`]);
  const child = spawn(file, rest, { env: { PATH: '/usr/bin:/bin', SECRET: site.canary } });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    const victim = victims.get(site.token);
    if (victim && said.includes('signalled')) victim.signalled = true;
  });
  await until('the victim is ready', () => said.includes('ready'));
  victims.set(site.token, { pid: child.pid ?? -1, signalled: false });
  return () => child.kill('SIGKILL');
}
const victimOf = (site: Site): Victim => victims.get(site.token) ?? { pid: -1, signalled: true };

async function wasSignalled(site: Site, outcome: Outcome): Promise<boolean> {
  if (outcome.result !== 'succeeded') return victimOf(site).signalled;
  await until('the signal arrives', () => victimOf(site).signalled, { within: 3000 }).catch(() => undefined);
  return victimOf(site).signalled;
}

const newNamespace = (name: string, operation: RegExp, title: string): Attack => call(name, operation, title);

const attacks: readonly Attack[] = [
  call('ptrace-traceme', /^ptrace$/, 'ptrace(PTRACE_TRACEME) is refused'),
  call('ptrace-attach', /^ptrace$/, 'ptrace(PTRACE_ATTACH) to a child is refused'),
  call('ptrace-seize', /^ptrace$/, 'ptrace(PTRACE_SEIZE) of a child is refused'),
  {
    case: 'proc-mem-write',
    title: "another process's memory is not written through /proc",
    native: 'succeeds',
    record: () => ({ kind: 'file', object: '/mem' }),
    happened: reported,
  },
  {
    case: 'proc-task-mem-write',
    title: "another process's memory is not opened for writing through /proc/N/task",
    native: 'succeeds',
    record: () => ({ kind: 'file', object: '/mem' }),
    happened: reported,
  },
  {
    case: 'proc-1-task-mem-write',
    title: "the memory of pid 1, which is root's, is not opened through /proc/1/task",
    native: 'refused',
    record: () => ({ kind: 'file', object: '/mem' }),
    happened: reported,
  },
  {
    case: 'proc-1-mem-write',
    title: "the memory of pid 1, which is root's, is not opened",
    native: 'refused',
    record: () => ({ kind: 'file', object: '/mem' }),
    happened: reported,
  },
  {
    case: 'proc-1-comm-write',
    title: 'what the policy lets a process say about itself it does not say about pid 1',
    native: 'refused',
    record: () => ({ kind: 'file', object: '/proc/1/comm' }),
    happened: reported,
  },
  call('process-vm-readv', /^process_vm_readv$/, "another process's memory is not read"),
  call('process-vm-writev', /^process_vm_writev$/, "another process's memory is not written"),
  call('pidfd-getfd', /^pidfd_getfd$/, "another process's descriptor is not taken"),
  unseen(
    'host-process-visible',
    'a process outside is not visible: there is nothing to find, and so nothing to deny',
  ),
  outOfReach('host-process-kill', /^kill$/, 'a process outside is not signalled', wasSignalled),
  outOfReach(
    'host-process-pidfd',
    /^pidfd_open$/,
    'a process outside is not signalled by pidfd',
    wasSignalled,
  ),
  outOfReach(
    'host-process-priority',
    /^setpriority$/,
    'the priority of a process outside does not change',
    (site, outcome) => {
      return outcome.result === 'succeeded' && getPriority(victimOf(site).pid) === 19;
    },
  ),
  unseen(
    'host-process-environ',
    'the environment of a process outside is not read: there is no such file, and so nothing to deny',
  ),
  call('tiocsti', /^ioctl$/, 'nothing is typed into the terminal by TIOCSTI'),
  call('tiocsti-high-bits', /^ioctl$/, 'TIOCSTI is seen whatever the high half of the request says'),
  call('tioclinux', /^ioctl$/, 'TIOCLINUX is refused', 'refused'),
  {
    case: 'inherited-fd',
    title:
      'the agent is born with descriptors 0, 1 and 2 only: no notify or fanotify descriptor leaks, and there is nothing to deny',
    native: 'refused',
    unrecorded: 'nobody asks for anything: it is looked what is there',
    happened: reported,
  },
  orphan(
    'double-fork',
    'a process that left the session and its parent ends with the session, which is on record',
  ),
  orphan('double-fork-stopped', 'a stopped orphan ends with the session, which is on record'),
  setId('setuid-chmod', 'by chmod'),
  setId('setgid-chmod', 'by chmod 2755'),
  setId('setuid-fchmod', 'by fchmod'),
  setId('setuid-fchmodat', 'by fchmodat'),
  setId('setuid-fchmodat2', 'by fchmodat2'),
  setId('setuid-open', 'by the mode of open'),
  setId('setuid-creat', 'by the mode of creat'),
  setId('setuid-mknod', 'by mknod'),
  {
    ...setId('setuid-tmpfile', 'by the mode of an unnamed file'),
    record: (site) => ({ kind: 'file', operation: /tmpfile|open/, object: join(site.ws, 'setuid-tmpfile') }),
  },
  setId('setgid-directory', 'on a directory'),
  newNamespace('clone-newuser', /^clone$/, 'clone with CLONE_NEWUSER is refused'),
  newNamespace('clone-newuser-newns', /^clone$/, 'clone with CLONE_NEWUSER and CLONE_NEWNS is refused'),
  newNamespace('clone3-newuser', /^clone3$/, 'clone3 with CLONE_NEWUSER is refused'),
  newNamespace('unshare-newuser', /^unshare$/, 'unshare(CLONE_NEWUSER) is refused'),
  { ...newNamespace('unshare-newns', /^unshare$/, 'unshare(CLONE_NEWNS) is refused'), native: 'refused' },
  newNamespace('unshare-newuser-newnet', /^unshare$/, 'unshare of user and network namespace is refused'),
  newNamespace('unshare-program', /^unshare$|^clone$/, 'unshare(1) makes no namespace'),
  newNamespace('bwrap-nested', /^unshare$|^clone$|^mount$/, 'bwrap makes no sandbox inside the sandbox'),
  call('setns-init', /^setns$/, 'setns is refused', 'refused'),
  {
    case: 'setuid-program',
    title: 'a set-user-id program gains nothing',
    native: 'refused',
    record: () => ({ kind: ['exec', 'file'], object: '/su' }),
    happened: reported,
  },
  {
    case: 'capabilities',
    title:
      'the agent has no capability in any set, cannot gain any, and no user or group but its own: it is born so, and there is nothing to deny',
    native: 'succeeds',
    unrecorded: 'nobody asks for anything: it is looked what is there',
    happened: reported,
  },
];

t.test('processes, descriptors, namespaces, identity', async (t) => {
  let ended: readonly SessionRecord[] = [];
  await attackAll(t, {
    attacks,
    surround: startVictim,
    more: (site) => [`hostpid=${victimOf(site).pid}`],
    examine: (_site, records) => (ended = records.filter(({ operation }) => operation === 'left-running')),
  });
  const said = ended.flatMap(({ detail }) => (detail?.['processes'] ?? []) as string[]);
  t.ok(said.filter((process) => / sh$/.test(process)).length >= 2, 'both orphans are on record', { said });
});
