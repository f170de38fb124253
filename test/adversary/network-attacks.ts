// Reaching what is not granted, by connect, datagram, name, Host and SNI. Runs in the network that network.test.ts makes:
// the host has a loopback of its own with a listener, a name server, and an internet behind a veth pair.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { attackAll, cannotAttack, type Attack, type Outcome, type Site } from './harness.ts';
import { buildPrograms } from './support/build.ts';
import { makeInternet } from './support/internet.ts';
import { Listener } from './support/listener.ts';
import { serveWorld } from './support/names.ts';

const granted = '93.184.216.34';
const metadata = ['169.254.169.254', '169.254.170.2', '100.100.100.200', '168.63.129.16', '192.0.0.192'];
const metadata6 = ['64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::1', 'fd00:ec2::254'];
const others = ['93.184.216.66', '93.184.216.53', '10.9.8.7', '2606:2800:220:1::66'];
const zone = {
  'granted.example': [[granted]],
  'evil.example': [['93.184.216.66']],
  'metadata.google.internal': [['169.254.169.254']],
  'loopback.rebind.example': [['127.0.0.1']],
  'metadata.rebind.example': [['169.254.169.254']],
  'mapped.rebind.example': [['::ffff:127.0.0.1']],
  'mixed.rebind.example': [['127.0.0.1', granted]],
  'later.rebind.example': [[granted], ['127.0.0.1']],
  '169.254.169.254.rebind.example': [['169.254.169.254']],
};

interface World {
  readonly host: Listener;
  readonly internet: Listener;
  readonly asked: readonly string[];
}
let world: World | undefined;
const atHost = (name: string): boolean => world?.host.received(name) ?? true;
const anywhere = (name: string): boolean => atHost(name) || (world?.internet.received(name) ?? true);
const asked = (name: string): boolean => world?.asked.some((question) => question.includes(name)) ?? true;

const arrived = (_site: Site, outcome: Outcome): boolean => anywhere(outcome.case);
const networkKinds = ['connect', 'name', 'http', 'socket'] as const;

const tcp = (name: string, title: string, object: string, native: Attack['native'] = 'succeeds'): Attack => ({
  case: name,
  title,
  native,
  record: () => ({ kind: networkKinds, object }),
  happened: arrived,
});
/** Without a grant, loopback is the sandbox's own, where nobody listens: that the machine's was meant is on record. */
const loopback = (
  name: string,
  title: string,
  object: string,
  native: Attack['native'] = 'succeeds',
): Attack => ({
  case: name,
  title,
  native,
  record: () => ({ kind: networkKinds, object }),
  happened: arrived,
});
const udp = (name: string, title: string, object = '93.184.216.53'): Attack => ({
  case: name,
  title: `no datagram leaves ${title}`,
  native: 'succeeds',
  record: () => ({ kind: networkKinds, object }),
  happened: arrived,
});
const spelled = (
  name: string,
  title: string,
  object: string,
  native: Attack['native'] = 'succeeds',
): Attack => tcp(name, `the metadata service is not reached ${title}`, object, native);
const said = (name: string, title: string, object: string): Attack => tcp(name, title, object);
const rebinds = (
  name: string,
  title: string,
  object: string,
  native: Attack['native'] = 'succeeds',
): Attack => ({
  ...tcp(name, title, object, native),
  happened: (_site, outcome) =>
    atHost(outcome.case) || (name === 'rebind-to-metadata' && anywhere(outcome.case)),
});
const works = (name: string, title: string): Attack => ({
  case: name,
  title,
  native: 'succeeds',
  allowed: true,
  happened: arrived,
});
const exfiltrates = (name: string, title: string, object = name): Attack => ({
  case: name,
  title: `a secret in a name is not told to a resolver ${title}`,
  native: 'refused',
  record: () => ({ kind: networkKinds, object }),
  happened: (_site, outcome) => asked(outcome.case) || anywhere(outcome.case),
});

const attacks: readonly Attack[] = [
  works('http-granted', 'a granted host is reached by HTTP'),
  works('tls-granted', 'a granted host is reached by TLS'),
  tcp('tcp-denied', 'an address that is not granted is not reached', '93.184.216.66'),
  tcp('tcp-denied-port-80', 'nor on port 80', '93.184.216.66'),
  tcp(
    'tcp-without-proxy-variables',
    'without proxy variables nothing is reached that would not be with them',
    '93.184.216.66',
  ),
  tcp('tcp-granted-host-other-port', 'a granted host is not reached on another port', ':22'),
  loopback('tcp-host-loopback', "the host's loopback is not reached", '127.0.0.1:8443'),
  loopback(
    'tcp-host-loopback-127.0.0.2',
    "the host's loopback is not reached at 127.0.0.2",
    '127.0.0.2:8443',
  ),
  loopback('tcp-address-zero', "the host's loopback is not reached at 0.0.0.0", '0.0.0.0:8443'),
  loopback('tcp-ipv6-loopback', "the host's loopback is not reached at ::1", '[::1]:8443'),
  tcp('tcp-ipv6-denied', 'an IPv6 address that is not granted is not reached', '2606:2800:220:1::66'),
  tcp('tcp-v4-mapped-denied', 'a v4-mapped address is judged as the IPv4 address', '93.184.216.66'),
  loopback(
    'tcp-v4-mapped-loopback',
    "the host's loopback is not reached by a v4-mapped address",
    '127.0.0.1:8443',
  ),
  tcp('tcp-private-address', 'a private address is not reached', '10.9.8.7'),
  tcp('tcp-nonblocking', 'a non-blocking connect is judged like any other', '93.184.216.66'),
  tcp('tcp-fast-open-sendto', 'sendto with MSG_FASTOPEN does not connect', '93.184.216.66'),
  tcp('tcp-fast-open-sendmsg', 'sendmsg with MSG_FASTOPEN does not connect', '93.184.216.66'),
  tcp('tcp-fast-open-connect', 'TCP_FASTOPEN_CONNECT does not get past', '93.184.216.66'),
  tcp(
    'tcp-reconnect',
    'a socket connected to what is granted does not connect on to what is not',
    '93.184.216.66',
  ),
  udp('udp-sendto', 'by sendto'),
  udp('udp-sendmsg', 'by sendmsg'),
  udp('udp-sendmmsg', 'by sendmmsg'),
  udp('udp-connect-send', 'by connect and send'),
  udp('udp-connect-write', 'by connect and write'),
  udp('udp-ipv6', 'over IPv6', '2606:2800:220:1::66'),
  udp('udp-v4-mapped', 'to a v4-mapped address'),
  udp('udp-quic-to-granted', 'to a granted host as QUIC', granted),
  udp('udp-sendmmsg-mixed', 'by sendmmsg whose first message is allowed', '93.184.216.53:443'),
  spelled('metadata-ipv4', 'by its address', '169.254.169.254'),
  spelled('metadata-v4-mapped', 'by its v4-mapped address', '169.254.169.254'),
  spelled('metadata-v4-compatible', 'by its v4-compatible address', '169.254.169.254', 'refused'),
  spelled('metadata-nat64', 'by its NAT64 address', '64:ff9b::'),
  spelled('metadata-6to4', 'by its 6to4 address', '2002:a9fe:a9fe::1'),
  spelled('metadata-ec2-ipv6', 'by its IPv6 address', 'fd00:ec2::254'),
  spelled('metadata-alibaba', "at Alibaba's address", '100.100.100.200'),
  spelled('metadata-azure', "at Azure's address", '168.63.129.16'),
  spelled('metadata-oracle', "at Oracle's address", '192.0.0.192'),
  spelled('metadata-ecs', "at ECS's address", '169.254.170.2'),
  spelled('metadata-hexadecimal', 'in hexadecimal', '169.254.169.254'),
  spelled('metadata-decimal', 'in decimal', '169.254.169.254'),
  spelled('metadata-octal', 'in octal', '169.254.169.254'),
  spelled('metadata-two-parts', 'in two parts', '169.254.169.254'),
  spelled('metadata-name', 'by its name', 'metadata.google.internal'),
  spelled('metadata-in-a-name', 'by a granted name that holds it', '169.254.169.254'),
  loopback('localhost-name', "the host's loopback is not reached as localhost", '127.0.0.1:', 'refused'),
  rebinds('rebind-to-loopback', 'a granted name that resolves to loopback is not dialled', 'rebind.example'),
  rebinds(
    'rebind-to-metadata',
    'a granted name that resolves to the metadata service is not dialled',
    'rebind.example',
  ),
  rebinds(
    'rebind-to-mapped',
    'a granted name that resolves to v4-mapped loopback is not dialled',
    'rebind.example',
  ),
  {
    ...rebinds('rebind-among-good', 'a bad address among good ones is not dialled', 'rebind.example'),
    mayReport: 'succeeded',
  },
  {
    ...rebinds('rebind-later', 'a name whose second answer is bad is not dialled there', 'rebind.example'),
    mayReport: 'succeeded',
  },
  said('http-host-mismatch', 'a Host that is not what was granted is refused', 'evil.example'),
  said('http-no-host', 'a request without Host is refused', granted),
  said('http-two-hosts', 'a request with two Hosts is refused', 'granted.example'),
  said('http-absolute-uri-mismatch', 'an absolute URI that differs from Host is refused', 'evil.example'),
  said('http-userinfo', 'a Host with user information is refused', 'granted.example'),
  said('http-connect-address', 'CONNECT to an address is refused', '169.254.169.254'),
  said('http-connect-name', 'CONNECT to a name is refused', 'evil.example'),
  said('http-folded-host', 'a folded Host is refused', 'granted.example'),
  said('http-garbage', 'what is not HTTP is refused on port 80', granted),
  said('http-address-as-host', 'an address as Host is refused', '93.184.216.66'),
  said(
    'http-keep-alive-second-host',
    'the second request of a connection is checked like the first',
    'evil.example',
  ),
  said('tls-sni-mismatch', 'a server name that is not what was granted is refused', 'evil.example'),
  said('tls-no-sni', 'TLS without a server name is refused', granted),
  said('tls-sni-address', 'an address as server name is refused', '93.184.216.66'),
  said('tls-sni-nul', 'a server name with a NUL in it is refused', granted),
  {
    ...said('tls-sni-byte-by-byte', 'a server name sent byte by byte is checked whole', 'evil.example'),
    happened: (_site, outcome) => outcome.result === 'succeeded',
  },
  said('tls-plain-http-on-443', 'plain HTTP on port 443 is refused', 'evil.example'),
  exfiltrates('dns-exfiltration-getaddrinfo', 'by getaddrinfo'),
  exfiltrates('dns-exfiltration-udp', 'by a datagram'),
  exfiltrates('dns-exfiltration-tcp', 'by TCP'),
  exfiltrates('dns-exfiltration-txt', 'as a TXT question'),
  exfiltrates('dns-exfiltration-any', 'as an ANY question'),
  exfiltrates('dns-exfiltration-null', 'as a NULL question'),
  exfiltrates('dns-exfiltration-other-resolver', 'of its own choice', '93.184.216.53'),
  exfiltrates('dns-exfiltration-other-resolver-tcp', 'of its own choice by TCP', '93.184.216.53'),
  {
    ...exfiltrates('dns-exfiltration-ptr', 'as a PTR question', 'in-addr.arpa'),
    happened: () => asked('in-addr.arpa'),
  },
  exfiltrates('dns-exfiltration-below-granted', 'below a granted name'),
  {
    ...exfiltrates('dns-txt-of-granted', 'as TXT of a granted name', 'granted.example'),
    happened: () => false,
  },
  {
    case: 'bind-resolver-port',
    title: "the resolver's place is not taken",
    native: 'refused',
    record: () => ({ kind: 'connect', operation: /^bind$/, object: 'port 53' }),
    happened: (_site, outcome) => outcome.result === 'succeeded',
  },
  {
    case: 'race-connect-address',
    title: 'an address that flips in memory while it is judged does not get past',
    native: 'succeeds',
    mayReport: 'blocked',
    record: () => ({ kind: 'connect', object: '93.184.216.66' }),
    happened: () =>
      world?.internet.lines.some((line) => line === 'tcp:93.184.216.66:443 race-connect-address') ?? true,
  },
];

const profile = (): string => `network:
  - { allow: "granted.example:443" }
  - { allow: "granted.example:80" }
  - { allow: "*.rebind.example:80" }
`;

async function surround(): Promise<() => void> {
  const programs = buildPrograms();
  for (const address of ['169.254.169.254/32', 'fd00:ec2::254/128'])
    spawnSync('ip', ['address', 'del', address, 'dev', 'lo']);
  const net = await makeInternet(
    [granted, ...metadata, ...metadata6, ...others].map((one) => `${one}/${one.includes(':') ? 128 : 32}`),
  );
  const everywhere = (ports: readonly string[]): string[] =>
    ports.flatMap((port) => [`tcp:0.0.0.0:${port}`, `tcp::::${port}`]);
  const datagrams = ['53', '443'].flatMap((port) => [`udp:0.0.0.0:${port}`, `udp::::${port}`]);
  const internet = await Listener.run([
    ...net.enter,
    programs.listen,
    ...everywhere(['22', '53', '80', '443']),
    ...datagrams,
  ]);
  const host = await Listener.run([programs.listen, ...everywhere(['80', '443', '8443'])]);
  const names = await serveWorld(zone);
  world = { host, internet, asked: names.asked };
  return () => {
    names.close();
    host.stop();
    internet.stop();
    net.close();
    spawnSync('ip', ['link', 'del', 'host0']);
  };
}

t.test('the network', { skip: cannotAttack() ?? false }, async (t) => {
  await attackAll(t, {
    attacks,
    surround,
    profile,
    more: () => [`granted=${granted}`, 'connects=300'],
    within: 170_000,
  });
});
