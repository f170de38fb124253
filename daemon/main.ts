// cordond. Reads its command line and settings, and runs until it is told to stop.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadSettings } from './config/settings.ts';
import { Daemon } from './control/mod.ts';
import { LoadedProfiles } from './control/loaded-profiles.ts';
import { CordonError } from './model/mod.ts';

const usage = `cordond: mediates autonomous agents on this machine

  --config FILE      settings (default /etc/cordon/config.yaml)
  --run-dir DIR      sockets (default /run/cordon)
  --state-dir DIR    records (default /var/lib/cordon)
  --profiles DIR     searched before the built-in profiles; may be repeated
  --managed FILE     managed settings (default /etc/cordon/managed.yaml)
  --help`;

const version = '0.1.0';

function commandLine() {
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      'run-dir': { type: 'string' },
      'state-dir': { type: 'string' },
      profiles: { type: 'string', multiple: true },
      managed: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  return values;
}

async function main(): Promise<void> {
  const values = commandLine();
  if (values.help === true) {
    console.log(usage);
    return;
  }
  if (process.getuid?.() !== 0)
    throw new CordonError('not-permitted', 'cordond must be started by root', {
      fix: 'sudo cordond, or: systemctl start cordond',
    });
  const settings = loadSettings({
    ...(values.config === undefined ? {} : { config: values.config }),
    ...(values['run-dir'] === undefined ? {} : { runDir: values['run-dir'] }),
    ...(values['state-dir'] === undefined ? {} : { stateDir: values['state-dir'] }),
    ...(values.profiles === undefined ? {} : { profileDirs: values.profiles }),
  });
  const profiles = new LoadedProfiles({
    profileDirs: settings.profileDirs,
    ...(values.managed === undefined ? {} : { managedFile: values.managed }),
  });
  for (const problem of profiles.state.problems) console.error(`cordond: ${problem.message}`);
  const supervisorScript = fileURLToPath(new URL('./supervisor.js', import.meta.url));
  const daemon = new Daemon({ settings, profiles, version, supervisorScript, now: Date.now });
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      daemon.stop();
      process.exit(0);
    });
  await profiles.start();
  await daemon.start();
  console.log(`cordond ${version} ready: ${settings.runDir}/admin.sock`);
}

main().catch((error: unknown) => {
  const known = error instanceof CordonError ? error : undefined;
  console.error(`cordond: ${error instanceof Error ? error.message : String(error)}`);
  if (known?.facts.fix !== undefined) console.error(`  to do: ${known.facts.fix}`);
  if (known === undefined && error instanceof Error) console.error(error.stack);
  process.exit(1);
});
