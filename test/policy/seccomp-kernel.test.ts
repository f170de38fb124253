// The program in the real kernel, and its numbers against the real headers.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { callsOf, seccompProgram } from '../../daemon/policy/seccomp/mod.ts';
import type { Arch } from '../../daemon/policy/seccomp/mod.ts';

const main = fileURLToPath(new URL('seccomp-kernel-main.ts', import.meta.url));

t.test('the kernel loads the program and answers real calls as the table says', async (t) => {
  if (process.platform !== 'linux') {
    t.pass('the filter', { skip: 'needs Linux' });
    return;
  }
  const { stdout } = await promisify(execFile)(process.execPath, [main], { timeout: 60_000, env: {} });
  const { calls, loadNs } = JSON.parse(stdout) as { calls: Record<string, unknown>; loadNs: number };
  t.comment(
    `${seccompProgram('x86_64').length} instructions on x86-64, loaded in ${Math.round(loadNs / 1000)} µs`,
  );
  const expected: Record<string, { result: string; asked?: string }> = {
    getppid: { result: '0' },
    'openat for reading': { result: 'ENOENT' },
    'openat for writing': { result: 'ENOENT', asked: 'open openat' },
    'openat creating': { result: 'ENOENT', asked: 'open openat' },
    openat2: { result: 'ENOSYS', asked: 'open openat2' },
    clone3: { result: 'ENOSYS', asked: 'process clone3' },
    'socket AF_UNIX': { result: '0' },
    'socket raw': { result: 'EPERM', asked: 'deny socket' },
    'socket AF_VSOCK': { result: 'EAFNOSUPPORT', asked: 'deny socket' },
    ptrace: { result: 'EPERM', asked: 'deny ptrace' },
    io_uring_setup: { result: 'EPERM', asked: 'deny io_uring_setup' },
    'unshare NEWUSER': { result: 'EPERM', asked: 'deny unshare' },
    personality: { result: 'EPERM', asked: 'deny personality' },
    'call 600': { result: 'ENOSYS', asked: 'deny call 600' },
    'x32 getpid': { result: 'ENOSYS', asked: 'deny x32 or out-of-range call 1073741863' },
  };
  t.same(calls, expected);
});

/** `name → number` of a kernel header; names of 32-bit variants left out. */
function header(file: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const [, name, number] of readFileSync(file, 'utf8').matchAll(
    /^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm,
  )) {
    found.set(name!, Number(number));
  }
  return found;
}

const headers: Record<Arch, readonly string[]> = {
  x86_64: ['/usr/include/x86_64-linux-gnu/asm/unistd_64.h', '/usr/include/asm/unistd_64.h'],
  aarch64: ['/usr/include/asm-generic/unistd.h'],
};
/** What asm-generic calls otherwise, or keeps for 32-bit machines only. */
const genericNames: Record<string, string> = { fstatat: 'newfstatat' };
const notArm64 = /_time64$|64$|^sync_file_range2$|^syscalls$|^arch_specific_syscall$/;

for (const arch of ['x86_64', 'aarch64'] as const) {
  t.test(`${arch}: the numbers are those of the kernel's headers, and none is missing`, async (t) => {
    const file = headers[arch].find((candidate) => existsSync(candidate));
    if (file === undefined) {
      t.pass('numbers', { skip: `none of ${headers[arch].join(', ')} is installed` });
      return;
    }
    const table = new Map(callsOf(arch).map(({ name, nr }) => [name, nr]));
    for (const [name, nr] of header(file)) {
      if (arch === 'aarch64' && notArm64.test(name) && !table.has(name)) continue;
      if (arch === 'aarch64' && (name === 'stat' || name === 'lstat')) continue;
      const ours = genericNames[name] ?? name;
      if (table.get(ours) !== nr) t.fail(`${ours} is ${nr}, the table says ${table.get(ours) ?? 'nothing'}`);
    }
    t.pass(`${header(file).size} names of ${file}`);
  });
}
