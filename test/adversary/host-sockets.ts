// Reaching the machine's services by their usual sockets. Runs where host-sockets.test.ts put it: /run is a file system of the
// test's own, in which a listener of the same user stands in for each service, open to everybody.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { attackAll, cannotAttack, type Attack, type Outcome, type Site } from './harness.ts';
import { until } from '../support/until.ts';
import type { Programs } from './support/build.ts';
import { Listener } from './support/listener.ts';

let listener: Listener | undefined;

/** What was sent may still be on its way to us. */
async function arrived(_site: Site, { case: name, result }: Outcome): Promise<boolean> {
  const there = (): boolean => listener?.received(name) ?? true;
  if (result === 'succeeded') await until('it arrives', there, { within: 5000 }).catch(() => false);
  return there();
}

const service = (name: string, path: string, title: string): Attack => ({
  case: name,
  title: `${title} does not answer, though it listens`,
  native: 'succeeds',
  record: () => ({ kind: ['socket', 'file', 'connect'], object: path }),
  happened: arrived,
});

const attacks: readonly Attack[] = [
  service('docker-socket', 'docker.sock', 'the Docker daemon'),
  service('dbus-system', 'dbus/system_bus_socket', 'the system bus'),
  service('dbus-session', '/bus', 'the session bus'),
  service('systemd-private', 'systemd/private', "the user's systemd"),
];

async function surround({ user }: Site, programs: Programs): Promise<() => void> {
  const own = `/run/user/${user.uid}`;
  spawnSync('mkdir', ['-p', '/run/dbus', `${own}/systemd`]);
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, '/run/dbus', own]);
  spawnSync('chmod', ['777', '/run', '/run/dbus']);
  const paths = ['/run/docker.sock', '/run/dbus/system_bus_socket', `${own}/bus`, `${own}/systemd/private`];
  const started = await Listener.start(
    programs.listen,
    paths.map((path) => `stream:${path}`),
    user,
  );
  listener = started;
  return () => started.stop();
}

t.test('services of the machine', { skip: cannotAttack() ?? false }, async (t) => {
  const mounted = spawnSync('mount', ['-t', 'tmpfs', 'none', '/run'], { encoding: 'utf8' });
  t.equal(mounted.status, 0, mounted.stderr);
  await attackAll(t, { attacks, surround });
});
