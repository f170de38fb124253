// Every benchmark, one after the other, each with the command that made it. Run (as root):
//   npm run build && npm run bench
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';

const benches = [
  'launch',
  'workloads',
  'connect',
  'decision',
  'egress',
  'kill',
  'memory',
  'tokens',
  'tpm',
  'upload',
];
const wanted = process.argv.slice(2);

console.log(
  `Linux ${release()}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`,
);
let failed = 0;
for (const name of benches) {
  const path = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  if (!existsSync(path) || (wanted.length > 0 && !wanted.includes(name))) continue;
  console.log(`\n$ bash daemon/scripts/node24.sh test/bench/${name}.ts`);
  const ran = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', path], {
    stdio: 'inherit',
  });
  if (ran.status !== 0) failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
