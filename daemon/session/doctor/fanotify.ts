// fanotify permission events, on a file system of the probe's own in a mount namespace of its own. The machine's own
// mounts are never marked.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { Files, PermissionGroup, Poller, mounts } from '../../../native-bindings/linux/mod.ts';
import { ownMounts } from './namespaces.ts';
import { fail, ok } from './probe.ts';
import type { Finding, Probe, ProbeContext } from './probe.ts';

const { MS } = mounts;

/** A small tmpfs with a file to allow and a file to deny; returns its directory. */
function ownFileSystem(stage: string): string {
  ownMounts();
  const directory = `${stage}/watched`;
  mkdirSync(directory);
  mounts.mount('cordon', directory, 'tmpfs', MS.NOSUID | MS.NODEV, 'mode=0755,size=64k');
  writeFileSync(`${directory}/allowed`, 'allowed\n');
  writeFileSync(`${directory}/denied`, 'denied\n');
  return directory;
}

/** Answers `count` events: an object whose path ends in `denied` is refused. Returns the paths asked about. */
function answer(group: PermissionGroup, count: number): string[] {
  const files = new Files();
  const poller = new Poller([group.fd]);
  const asked: string[] = [];
  const deadline = performance.now() + 5000;
  while (asked.length < count && performance.now() < deadline) {
    if (poller.wait(100) === 0 || group.read() <= 0) continue;
    while (group.next()) {
      const path = files.pathOf(group.eventFd);
      asked.push(path);
      group.answer(!path.endsWith('/denied'));
      files.close(group.eventFd);
    }
  }
  return asked;
}

async function outputOf(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(child, 'close');
  return text;
}

async function tryEvents({ stage }: ProbeContext): Promise<Finding> {
  const directory = ownFileSystem(stage);
  const group = new PermissionGroup();
  group.markMount(directory);
  const child = spawn('/bin/cat', [`${directory}/allowed`, `${directory}/denied`], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {},
  });
  const asked = answer(group, 2);
  const text = await outputOf(child);
  new Files().close(group.fd);
  if (asked.length !== 2) return fail(`${asked.length} of 2 opens asked for permission`);
  if (text !== 'allowed\n' || child.exitCode !== 1)
    return fail('an answer did not hold: the wrong file was read');
  return ok('an open was allowed and an open was denied');
}

const fanotify: Probe = {
  name: 'fanotify',
  fix: 'boot a kernel with CONFIG_FANOTIFY_ACCESS_PERMISSIONS=y; in a container, add CAP_SYS_ADMIN',
  run: tryEvents,
};

export const fanotifyProbes: readonly Probe[] = [fanotify];
