// Sockets that lead out of the sandbox: unix sockets of the host, and families that no agent needs.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { asUser } from '../support/user.ts';
import { attackAll, type Attack, type Outcome, type Site } from './harness.ts';
import type { Programs } from './support/build.ts';
import { giveTo } from './support/site.ts';
import { Listener } from './support/listener.ts';

const listeners = new Map<string, Listener>();
const socketsOf = (site: Site): string => join(site.base, 's');
const abstractOf = (site: Site): string => `adv-${site.token}`;
const tmuxOf = (site: Site): string => `/tmp/tmux-adv-${site.token}`;

const reported = (_site: Site, outcome: Outcome): boolean => outcome.result === 'succeeded';
const arrived = (site: Site, outcome: Outcome): boolean =>
  listeners.get(site.token)?.received(outcome.case) ?? true;

const named = (name: string, title: string, file = 'stream'): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: (site) => ({ kind: ['socket', 'file', 'connect'], object: join(socketsOf(site), file) }),
  happened: arrived,
});
const abstract = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: (site) => ({ kind: 'connect', object: `@${abstractOf(site)}` }),
  happened: arrived,
});
/** Datagram sockets of the unix family are refused whole: each message could name another receiver. */
const datagram = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  record: () => ({ kind: ['syscall', 'socket'], operation: /^socket$/ }),
  happened: arrived,
});
const fixed = (name: string, path: string | RegExp, title: string): Attack => ({
  case: name,
  title,
  native: 'not-run',
  record: () => ({
    kind: ['socket', 'file', 'connect'],
    ...(typeof path === 'string' ? { object: path } : {}),
  }),
  happened: reported,
});
const family = (name: string, title: string, native: Attack['native'] = 'succeeds'): Attack => ({
  case: name,
  title: `${title} is refused`,
  native,
  record: () => ({ kind: ['syscall', 'socket'], operation: /^socket(pair)?$/ }),
  happened: reported,
});

const works = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  allowed: true,
  happened: (_site, outcome) => outcome.result === 'succeeded',
});

const attacks: readonly Attack[] = [
  named('unix-stream-pathname', 'a listener outside is not reached by its pathname'),
  named('unix-stream-symlink', 'a listener outside is not reached through a symlink'),
  named('unix-stream-proc-self-root', 'a listener outside is not reached through /proc/self/root'),
  named('unix-stream-o-path', 'a listener outside is not reached through an O_PATH descriptor'),
  named('unix-stream-hard-link', 'a listener outside is not linked into the workspace'),
  datagram('unix-dgram-connect', 'a datagram socket outside is not connected to'),
  datagram('unix-dgram-sendto', 'a datagram socket outside gets nothing by sendto'),
  datagram('unix-dgram-sendmsg', 'a datagram socket outside gets nothing by sendmsg'),
  datagram('unix-dgram-sendmmsg', 'a datagram socket outside gets nothing by sendmmsg'),
  abstract('abstract-stream', 'an abstract listener outside is not reached'),
  datagram('abstract-dgram-connect', 'an abstract datagram socket outside is not connected to'),
  datagram('abstract-dgram-sendto', 'an abstract datagram socket outside gets nothing by sendto'),
  datagram('abstract-dgram-sendmsg', 'an abstract datagram socket outside gets nothing by sendmsg'),
  datagram('abstract-dgram-sendmmsg', 'an abstract datagram socket outside gets nothing by sendmmsg'),
  {
    case: 'unix-workspace-host',
    title: 'a listener outside is not reached by a socket that it put into the workspace',
    native: 'succeeds',
    record: (site) => ({ kind: ['socket', 'file', 'connect'], object: join(site.ws, 'host.sock') }),
    happened: arrived,
  },
  works('unix-long-name', 'a socket with the longest name is bound and connected to'),
  works('send-timeout', "a socket keeps its owner's send timeout"),
  fixed('docker-socket', 'docker.sock', "Docker's socket is out of reach"),
  fixed('dbus-system', 'system_bus_socket', 'the system bus is out of reach'),
  fixed('dbus-session', '/bus', 'the session bus is out of reach'),
  fixed('systemd-private', 'systemd/private', "systemd's private socket is out of reach"),
  family('unix-raw-type', 'a unix socket of type SOCK_RAW, which is a datagram socket'),
  family('unix-socketpair-sendto', 'a datagram socketpair, which can address any named socket'),
  {
    case: 'systemd-run',
    title: 'systemd-run starts nothing outside',
    native: 'refused',
    record: () => ({ kind: ['socket', 'file', 'connect', 'exec'], object: 'systemd' }),
    happened: reported,
  },
  {
    case: 'tmux-host',
    title: "the user's tmux server outside runs nothing",
    native: 'succeeds',
    record: (site) => ({ kind: 'socket', object: tmuxOf(site) }),
    happened: (site) => existsSync(join(site.outside, 'tmux-host/created')),
  },
  fixed('admin-socket', 'admin.sock', "cordond's admin socket is out of reach"),
  fixed('supervisor-socket', 'supervisor.sock', "the supervisor's socket is out of reach"),
  family('vsock', 'AF_VSOCK'),
  family('af-alg', 'AF_ALG'),
  family('netlink-audit', 'NETLINK_AUDIT'),
  family('netlink-uevent', 'NETLINK_KOBJECT_UEVENT'),
  family('netlink-netfilter', 'NETLINK_NETFILTER'),
  family('netlink-generic', 'NETLINK_GENERIC'),
  family('netlink-connector', 'NETLINK_CONNECTOR'),
  family('netlink-sock-diag', 'NETLINK_SOCK_DIAG'),
  family('mptcp', 'MPTCP'),
  family('mptcp-ipv6', 'MPTCP over IPv6'),
  family('sctp', 'SCTP'),
  family('udplite', 'UDP-Lite'),
  family('raw-icmp', 'a raw ICMP socket', 'refused'),
  family('raw-ipv6', 'a raw IPv6 socket', 'refused'),
  family('packet', 'AF_PACKET', 'refused'),
  family('packet-legacy', 'SOCK_PACKET', 'refused'),
  family('xdp', 'AF_XDP', 'refused'),
  family('bluetooth', 'AF_BLUETOOTH', 'refused'),
  family('can', 'AF_CAN', 'refused'),
  family('rds', 'AF_RDS', 'refused'),
  family('tipc', 'AF_TIPC', 'refused'),
  family('smc', 'AF_SMC', 'refused'),
  family('kcm', 'AF_KCM', 'refused'),
  family('socket-family-high-bits', 'a family hidden by high bits'),
  family('socketpair-tipc', 'a socketpair of another family', 'refused'),
];

async function surround(site: Site, programs: Programs): Promise<() => void> {
  mkdirSync(socketsOf(site));
  giveTo(site.user, socketsOf(site));
  const places = [
    `stream:${join(socketsOf(site), 'stream')}`,
    `dgram:${join(socketsOf(site), 'dgram')}`,
    `stream:@${abstractOf(site)}/stream`,
    `dgram:@${abstractOf(site)}/dgram`,
    `stream:${join(site.ws, 'host.sock')}`,
  ];
  const listener = await Listener.start(programs.listen, places, site.user);
  listeners.set(site.token, listener);
  const [tmux = '', ...rest] = asUser(site.user, [
    'tmux',
    '-S',
    tmuxOf(site),
    'new-session',
    '-d',
    'sleep 1000',
  ]);
  spawnSync(tmux, rest, { cwd: site.base });
  return () => {
    listener.stop();
    const [end = '', ...arguments_] = asUser(site.user, ['tmux', '-S', tmuxOf(site), 'kill-server']);
    spawnSync(end, arguments_);
  };
}

t.test('sockets', async (t) => {
  await attackAll(t, {
    attacks,
    surround,
    more: (site, runDir) => [
      `sockets=${socketsOf(site)}`,
      `abstract=${abstractOf(site)}`,
      `tmux=${tmuxOf(site)}`,
      `rundir=${runDir}`,
    ],
  });
});

t.test("Cordon's own sockets, though a profile grants them", async (t) => {
  await attackAll(t, {
    attacks: attacks.filter(({ case: name }) => name === 'admin-socket' || name === 'supervisor-socket'),
    profile: () => 'sockets:\n  - { allow: ["/**"] }\n',
    more: (_site, runDir) => [`rundir=${runDir}`],
  });
});
