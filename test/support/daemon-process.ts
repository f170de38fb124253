// Test process: a cordond with the mock profiles and the mock supervisor, in directories of the test's own.
//   daemon-process.ts RUN_DIR STATE_DIR [ADMIN_GROUP]      SIGHUP reloads, SIGUSR2 reloads a broken profile
import { fileURLToPath } from 'node:url';
import { Daemon } from '../../daemon/control/mod.ts';
import { fakeProfiles } from './fake-profiles.ts';

const [runDir, stateDir, adminGroup = 'cordon-admin'] = process.argv.slice(2) as [string, string, string?];
const profiles = fakeProfiles();
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
  },
  profiles,
  version: 'test',
  supervisorScript: fileURLToPath(new URL('./fake-supervisor.ts', import.meta.url)),
  uploaderScript: fileURLToPath(new URL('../../daemon/control/uploader-main.ts', import.meta.url)),
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
