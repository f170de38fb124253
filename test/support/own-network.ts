// Runs a test module in a network namespace of its own, so that nothing it does can leave this machine: loopback
// only, the cloud metadata addresses on it, and a resolv.conf that points at 127.0.0.1.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const metadataAddress = '169.254.169.254';
export const metadataAddress6 = 'fd00:ec2::254';

const script = `
mount --make-rprivate / || exit 1
mount --bind "$1/resolv.conf" "$(readlink -f /etc/resolv.conf)" || exit 1
ip link set lo up || exit 1
ip address add ${metadataAddress}/32 dev lo || exit 1
ip -6 address add ${metadataAddress6}/128 dev lo nodad 2>/dev/null
shift
unset NODE_OPTIONS
exec "$@"
`;

function skipFile(reason: string): void {
  process.stdout.write(`TAP version 14\n1..0 # SKIP ${reason}\n`);
}

/** Runs `module` (a path relative to `base`) there, its TAP on our stdout, and exits as it does. */
export function inOwnNetwork(base: string, module: string): void {
  if (process.getuid?.() !== 0) {
    skipFile('needs root: cordond makes namespaces and marks mounts');
    return;
  }
  const probe = spawnSync('unshare', ['--net', '--mount', 'ip', 'link', 'set', 'lo', 'up'], {
    encoding: 'utf8',
  });
  if (probe.status !== 0) {
    skipFile(`cannot make a network namespace here: ${(probe.stderr || String(probe.error)).trim()}`);
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'cordon-net-'));
  writeFileSync(join(directory, 'resolv.conf'), 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
  const target = fileURLToPath(new URL(module, base));
  const child = spawn(
    'unshare',
    ['--net', '--mount', 'sh', '-c', script, 'sh', directory, process.execPath, target],
    { stdio: 'inherit' },
  );
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGALRM'] as const) {
    process.on(signal, () => child.kill('SIGTERM'));
  }
  child.on('exit', (code) => {
    rmSync(directory, { recursive: true, force: true });
    process.exitCode = code ?? 1;
  });
}
