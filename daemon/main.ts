// cordond: reads its settings, starts, and stops on SIGTERM without touching the sessions.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadSettings } from './config/settings.ts';
import type { CommandLine } from './config/settings.ts';
import { Daemon, LoadedProfiles, raiseFanotifyGroups } from './control/mod.ts';
import { CordonError, version } from './model/mod.ts';

const usage = `usage: cordond [--run-dir DIR] [--state-dir DIR] [--config FILE] [--profiles DIR]…
               [--managed FILE]
  SIGHUP reads the profiles anew; SIGTERM stops the daemon, sessions go on.`;

interface Arguments extends CommandLine {
  readonly managedFile?: string;
}

function commandLine(): Arguments {
  const { values } = parseArgs({
    options: {
      'run-dir': { type: 'string' },
      'state-dir': { type: 'string' },
      config: { type: 'string' },
      profiles: { type: 'string', multiple: true },
      managed: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean' },
    },
  });
  if (values.help === true || values.version === true) {
    process.stdout.write(values.help === true ? `${usage}\n` : `cordond ${version}\n`);
    process.exit(0);
  }
  return {
    ...(values['run-dir'] === undefined ? {} : { runDir: values['run-dir'] }),
    ...(values['state-dir'] === undefined ? {} : { stateDir: values['state-dir'] }),
    ...(values.config === undefined ? {} : { config: values.config }),
    ...(values.managed === undefined ? {} : { managedFile: values.managed }),
    ...(values.profiles === undefined ? {} : { profileDirs: values.profiles }),
  };
}

async function start(): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new CordonError('not-permitted', 'cordond makes sandboxes and must run as root', {
      fix: 'sudo cordond',
    });
  // The modes of our directories and sockets are what the code says, whatever was inherited.
  process.umask(0o022);
  // Where we look at something as the user who asks, no group of ours is to help.
  process.setgroups?.([]);
  // Beside this file, as source in the repository and bundled in dist/.
  const bundled = import.meta.url.endsWith('.js');
  const supervisor = bundled ? './supervisor.js' : './session/supervisor-main.ts';
  const uploader = bundled ? './uploader.js' : './control/uploader-main.ts';
  const { managedFile, ...given } = commandLine();
  const raised = raiseFanotifyGroups();
  if (raised !== undefined) process.stderr.write(`cordond: ${raised}\n`);
  const settings = loadSettings(given);
  const profiles = new LoadedProfiles({
    profileDirs: settings.profileDirs,
    ...(managedFile === undefined ? {} : { managedFile }),
  });
  const daemon = await Daemon.open({
    settings,
    profiles,
    version,
    supervisorScript: fileURLToPath(new URL(supervisor, import.meta.url)),
    uploaderScript: fileURLToPath(new URL(uploader, import.meta.url)),
    now: () => performance.timeOrigin + performance.now(),
  });
  daemon.policyProblem = profiles.problem;
  await daemon.start();
  await profiles.start();
  profiles.warm(settings.defaultProfile);
  process.on('SIGHUP', () => profiles.reload());
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      daemon.stop();
      process.exit(0);
    });
  process.stdout.write(`cordond ${version} ready: ${daemon.paths.adminSocket}\n`);
  // What was needed to start only (parsers, schemas, texts of profiles) is given back.
  setTimeout(() => globalThis.gc?.(), 2000).unref();
}

try {
  await start();
} catch (error) {
  const fix = error instanceof CordonError ? error.facts.fix : undefined;
  process.stderr.write(`cordond: ${error instanceof Error ? error.message : String(error)}\n`);
  if (fix !== undefined) process.stderr.write(`  fix: ${fix}\n`);
  if (!(error instanceof CordonError) && error instanceof Error)
    process.stderr.write(`${error.stack ?? ''}\n`);
  process.exit(1);
}
