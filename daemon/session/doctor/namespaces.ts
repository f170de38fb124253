// The namespaces of a sandbox, each entered, and used for what a session uses it for. All this happens in a process
// that is thrown away: nothing here undoes what it did.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { assembleTree, startInit } from '../../launcher/mod.ts';
import { E, Files, errnoName, mounts, sockets } from '../../../native-bindings/linux/mod.ts';
import { fail, ok, warn } from './probe.ts';
import type { Finding, Probe, ProbeContext } from './probe.ts';

const { CLONE, MS } = mounts;
const container =
  'run cordond outside of a container, or in one with CAP_SYS_ADMIN and no seccomp filter of its own';

/** Leaves the host's mount tree; what is mounted from here on is seen by this thread and its children only. */
export function ownMounts(): void {
  mounts.unshare(CLONE.FS | CLONE.NEWNS);
  mounts.mount('none', '/', null, MS.REC | MS.PRIVATE);
}

function sandboxTree({ stage }: ProbeContext): Finding {
  mounts.unshare(CLONE.FS | CLONE.NEWNS);
  assembleTree(stage, 1024 * 1024);
  const files = new Files();
  const written = files.open('/etc/cordon-doctor', 0o101, 0o600);
  if (written !== -E.ROFS)
    return fail(`a write below /etc in the sandbox's tree gave ${resultText(written)}, not EROFS`);
  const scratch = files.open('/tmp/cordon-doctor', 0o101, 0o600);
  if (scratch < 0) return fail(`the sandbox's own /tmp cannot be written: ${resultText(scratch)}`);
  return ok("the host's tree is read-only in it, with /dev, /run and /tmp of its own");
}

const resultText = (result: number): string => (result < 0 ? errnoName(-result) : `descriptor ${result}`);

const mountNamespace: Probe = { name: 'mount-namespace', fix: container, run: sandboxTree };

const pidNamespace: Probe = {
  name: 'pid-namespace',
  fix: `${container}; install util-linux (setpriv) and coreutils`,
  run: () => {
    ownMounts();
    mounts.unshare(CLONE.NEWPID);
    const init = startInit();
    init.process.kill('SIGKILL');
    return ok('pid 1 of a sandbox starts, with a /proc of its own');
  },
};

const memfd: Probe = {
  name: 'memfd-noexec',
  fix: 'run Linux 6.3 or later: on older kernels memory files can be executed without a path to judge',
  run: () => {
    if (!existsSync('/proc/sys/vm/memfd_noexec')) return warn('the kernel has no vm.memfd_noexec');
    ownMounts();
    mounts.unshare(CLONE.NEWPID);
    const init = startInit();
    init.process.kill('SIGKILL');
    if (!init.memfdNoexec) return warn('vm.memfd_noexec cannot be set in a pid namespace');
    return ok('memory files are not executable in a sandbox');
  },
};

const networkNamespace: Probe = {
  name: 'network-namespace',
  fix: container,
  run: () => {
    mounts.unshare(CLONE.NEWNET);
    sockets.loopbackUp();
    const fd = sockets.socket(sockets.AF.INET, sockets.SOCK.DGRAM | sockets.SOCK.CLOEXEC);
    const bound = sockets.bindTo(fd, sockets.inet4([127, 0, 0, 1], 53));
    if (bound < 0) return fail(`a resolver cannot listen in it: bind 127.0.0.1:53: ${errnoName(-bound)}`);
    return ok('starts empty; a resolver can listen in it');
  },
};

const ipcNamespace: Probe = {
  name: 'ipc-namespace',
  fix: container,
  run: () => {
    mounts.unshare(CLONE.NEWIPC);
    const shared = readFileSync('/proc/sysvipc/shm', 'latin1').trim().split('\n').length - 1;
    return shared === 0
      ? ok('starts empty')
      : fail(`${shared} shared memory segments are visible in a new one`);
  },
};

const utsNamespace: Probe = {
  name: 'uts-namespace',
  fix: container,
  run: () => {
    const before = hostname();
    mounts.unshare(CLONE.NEWUTS);
    mounts.setHostname('cordon-doctor');
    if (hostname() !== 'cordon-doctor') return fail('the host name of a new one cannot be set');
    return ok(`has a host name of its own (the machine's stays ${before})`);
  },
};

/** The control that all of the above rests on: mounts made here are not seen by the machine. */
const propagation: Probe = {
  name: 'mount-propagation',
  fix: container,
  run: ({ stage }) => {
    ownMounts();
    const inside = `${stage}/inside`;
    mkdirSync(inside);
    mounts.mount('cordon', inside, 'tmpfs', MS.NOSUID | MS.NODEV, 'mode=0700,size=64k');
    writeFileSync(`${inside}/seen`, '');
    const outside = new Files().fstatat(-100, `/proc/${process.ppid}/root${inside}/seen`, 0);
    return outside === undefined
      ? ok('mounts of a sandbox stay inside')
      : fail('mounts of a sandbox reach the host');
  },
};

export const namespaceProbes: readonly Probe[] = [
  mountNamespace,
  propagation,
  pidNamespace,
  memfd,
  networkNamespace,
  ipcNamespace,
  utsNamespace,
];
