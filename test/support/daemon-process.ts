// Test process: a cordond with the mock profiles and the mock supervisor, in directories of the test's own.
//   daemon-process.ts RUN_DIR STATE_DIR [ADMIN_GROUP [SETTINGS]]   SIGHUP reloads, SIGUSR2 reloads a broken profile
// Runs as one of the programs of bundled.ts. SETTINGS: a file of which `records` is taken.
import { fileURLToPath } from 'node:url';
import { readFileSync } from 'node:fs';
import { parseSettings } from '../../daemon/config/settings.ts';
import { Daemon } from '../../daemon/control/mod.ts';
import { fakeProfiles } from './fake-profiles.ts';

const [runDir, stateDir, adminGroup = 'cordon-admin', file] = process.argv.slice(2) as [
  string,
  string,
  string?,
  string?,
];
const { records } = file === undefined ? {} : parseSettings(file, readFileSync(file, 'utf8'));
const profiles = fakeProfiles();
const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const daemon = new Daemon({
  settings: {
    runDir,
    stateDir,
    profileDirs: [],
    adminGroup,
    pool: 1,
    defaultProfile: 'open',
    upstream: ['127.0.0.1:53'],
    hosts: {},
    ...(records === undefined ? {} : { records }),
  },
  profiles,
  version: 'test',
  supervisorScript: beside('./fake-supervisor.js'),
  uploaderScript: beside('./uploader.js'),
  now: () => Date.now(),
});
await daemon.start();
process.on('SIGHUP', () => profiles.reload());
process.on('SIGUSR2', () => profiles.reload('the profile is broken'));
process.once('SIGTERM', () => {
  daemon.stop();
  process.exit(0);
});
process.stdout.write('ready\n');
