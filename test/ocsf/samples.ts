// One record of every kind and operation that the code base makes, as its makers write them.
import type { EventContext } from '../../daemon/ocsf/mod.ts';
import type { SessionRecord } from '../../daemon/model/mod.ts';

export const host: EventContext['host'] = {
  hostname: 'workstation',
  uid: '5f2b9c1e',
  os: { name: 'Debian GNU/Linux', version: '12', kernel: '6.1.0-18-amd64' },
  bootId: '0b5d2c4e-1f7a-4a51-8f0a-1d5e1d1c2b3a',
  product: { version: '0.1.0' },
};

export const inSession: EventContext = {
  host,
  session: {
    session: 's1',
    user: 'ada',
    uid: 1000,
    agent: { name: 'claude', version: '2.1.0', command: ['claude', '-p', 'hello'] },
    profile: 'coding-agent',
    profileVersion: 3,
    policyDigest: 'ab'.repeat(32),
    workspace: '/home/ada/work',
  },
};

export const ofDaemon: EventContext = { host };

const rule = {
  id: 'coding-agent/files[3]',
  source: { file: 'coding-agent.yaml', line: 14, key: 'files[3]' },
};
const process = { pid: 4711, ppid: 4700, exe: '/usr/bin/node', comm: 'node' };
const tree = [
  { pid: 4700, ppid: 1, exe: '/usr/bin/bash', comm: 'bash' },
  { pid: 1, exe: '/usr/lib/cordon/node' },
];

const base: Omit<SessionRecord, 'id' | 'seq' | 'kind' | 'operation' | 'object'> = {
  session: 's1',
  time: 1_763_800_000_123.456,
  disposition: 'allowed',
  mode: 'enforce',
  generation: 2,
  layer: 'decision',
  reason: 'a rule allows it',
};

type Sample = Partial<SessionRecord> & Pick<SessionRecord, 'kind' | 'operation' | 'object'>;

const files: readonly Sample[] = [
  ...['create', 'mkdir', 'mknod', 'read', 'write', 'truncate', 'unlink', 'rmdir', 'chmod', 'chown', 'utime'],
  ...['setxattr', 'removexattr', 'access', 'open', 'strange'],
].map((operation) => ({ kind: 'file', operation, object: '/home/ada/work/a', rule, process, outcome: '0' }));

const samples: readonly Sample[] = [
  ...files,
  ...['rename', 'link', 'symlink'].map((operation): Sample => ({
    kind: 'file',
    operation,
    object: '/w/a',
    object2: '/w/b',
    rule,
    outcome: 'EEXIST',
  })),
  { kind: 'file', operation: 'write', object: '/etc/passwd', disposition: 'denied', rule, process, tree },
  {
    kind: 'file',
    operation: 'write',
    object: '/etc/shadow',
    disposition: 'would-deny',
    mode: 'monitor',
    tree,
  },
  {
    kind: 'file',
    operation: 'read',
    object: '/usr/lib/x.so',
    layer: 'fanotify',
    process,
    count: 12,
    detail: { first: 1_763_800_000_001.5, last: 1_763_800_000_900 },
  },
  {
    kind: 'file',
    operation: 'read',
    object: '/usr/lib/y',
    layer: 'fanotify',
    detail: { cached: 'directory' },
  },
  {
    kind: 'exec',
    operation: 'exec',
    object: '/usr/bin/git',
    layer: 'seccomp-notify',
    process,
    rule,
    outcome: '0',
    detail: { argv: ['git', 'commit', '-m', 'a "b"'], sha256: 'cd'.repeat(32) },
  },
  {
    kind: 'exec',
    operation: 'exec',
    object: '/usr/bin/sudo',
    disposition: 'denied',
    process,
    tree,
    detail: { argv: ['sudo'], judged: ['true'] },
  },
  { kind: 'exec', operation: 'exec', object: '/bin/true', layer: 'fanotify' },
  {
    kind: 'exec',
    operation: 'image',
    object: '/usr/bin/git',
    disposition: 'observed',
    detail: { sha256: 'ef'.repeat(32) },
  },
  {
    kind: 'connect',
    operation: 'connect',
    object: 'api.example.com:443',
    object2: '93.184.216.34',
    process,
    rule,
  },
  {
    kind: 'connect',
    operation: 'connect',
    object: '[2001:db8::1]:443',
    object2: '2001:db8::1',
    layer: 'egress',
    detail: { flow: 'f-1', protocol: 'tls', alpn: 'h2' },
  },
  {
    kind: 'connect',
    operation: 'close',
    object: 'api.example.com:443',
    object2: '93.184.216.34',
    outcome: '0',
    layer: 'egress',
    detail: { flow: 'f-1', up: 100, down: 2_000, milliseconds: 31.5 },
  },
  {
    kind: 'connect',
    operation: 'connect',
    object: 'connections',
    disposition: 'denied',
    count: 9,
    layer: 'egress',
  },
  {
    kind: 'connect',
    operation: 'connect',
    object: 'unknown (local port 4)',
    disposition: 'denied',
    layer: 'egress',
  },
  { kind: 'connect', operation: 'send', object: 'udp 8.8.8.8:53', disposition: 'denied', process, tree },
  { kind: 'socket', operation: 'connect', object: '/run/docker.sock', disposition: 'denied', process, tree },
  { kind: 'socket', operation: 'bind', object: '/tmp/x.sock', process, outcome: '0' },
  {
    kind: 'name',
    operation: 'lookup',
    object: 'api.example.com',
    layer: 'resolver',
    detail: { type: 'AAAA' },
  },
  { kind: 'name', operation: 'lookup', object: '.', layer: 'resolver', disposition: 'denied' },
  {
    kind: 'http',
    operation: 'request',
    object: 'GET http://example.com:80/a',
    object2: '93.184.216.34',
    layer: 'egress',
  },
  {
    kind: 'http',
    operation: 'request',
    object: 'PROPFIND http://[::1]:80/',
    object2: '::1',
    layer: 'egress',
  },
  { kind: 'http', operation: 'request', object: 'example.com:80', disposition: 'denied', layer: 'egress' },
  {
    kind: 'syscall',
    operation: 'bpf',
    object: 'bpf',
    disposition: 'denied',
    layer: 'seccomp',
    process,
    tree: [],
  },
  {
    kind: 'tool',
    operation: 'call',
    object: 'Bash',
    disposition: 'observed',
    layer: 'daemon',
    detail: { callId: 'c1', arguments: '{"command":"ls"}', result: 'a b' },
  },
  {
    kind: 'tool',
    operation: 'ask',
    object: '/etc/passwd',
    disposition: 'observed',
    detail: { kind: 'file', access: 'write', effect: 'deny' },
    rule,
  },
  {
    kind: 'tool',
    operation: 'justify',
    object: 's1-4',
    disposition: 'observed',
    detail: { recordId: 's1-4' },
  },
  ...['launch', 'exit', 'end', 'limit', 'policy', 'adopt'].map((operation): Sample => ({
    kind: 'session',
    operation,
    object: '0',
    disposition: 'observed',
    layer: 'daemon',
  })),
  ...['journal', 'journal-damage', 'journal-hole', 'journal-repeat'].map((operation): Sample => ({
    kind: 'session',
    operation,
    object: 'journal',
    disposition: 'observed',
    layer: 'journal',
    detail: { count: 3, from: 4, to: 6 },
  })),
  ...['kill', 'freeze', 'resume'].map((operation): Sample => ({
    kind: 'admin',
    operation,
    object: 'all',
    disposition: 'observed',
    layer: 'daemon',
    process: { pid: 9 },
    detail: { actor: 'root', uid: 0, sessions: ['s1', 's2'] },
  })),
  ...['policy-reload', 'drain', 'policy-update', 'connection-closed', 'request-refused', 'something-new'].map(
    (operation): Sample => ({
      kind: 'admin',
      operation,
      object: 'admin.sock',
      disposition: 'denied',
      layer: 'daemon',
      count: 2,
    }),
  ),
  ...['mint', 'grant', 'use', 'revoke', 'expire'].map((operation): Sample => ({
    kind: 'token',
    operation,
    object: 'tok-1',
    detail: { privileges: ['read:/a', 'net:x'] },
  })),
  ...['ask', 'approve', 'refuse'].map((operation): Sample => ({
    kind: 'approval',
    operation,
    object: 'write /etc/hosts',
    rule,
  })),
  {
    kind: 'finding',
    operation: 'dlp',
    object: 'a private key leaves',
    disposition: 'denied',
    detail: { class: 'private-key' },
  },
  { kind: 'finding', operation: 'burst', object: 'many denials', disposition: 'observed', outcome: '0' },
  ...['gap', 'prune', 'export', 'rotate', 'start', 'stop', 'convert'].map((operation): Sample => ({
    kind: 'log',
    operation,
    object: 'audit log',
    disposition: 'observed',
    layer: 'daemon',
  })),
];

export const sampleRecords: readonly SessionRecord[] = samples.map((sample, i) => ({
  ...base,
  id: `s1-${i + 1}`,
  seq: i + 1,
  ...sample,
}));
