// Answers of a daemon, the same for every test.
import type { SessionRecord } from '../../daemon/model/mod.ts';
import type { Bodies, SessionInfo } from '../../daemon/wire/mod.ts';

/** 2026-03-04T05:06:07.890Z; the CLI under test runs with TZ=UTC. */
export const instant = Date.UTC(2026, 2, 4, 5, 6, 7, 890);

export const deniedRead: SessionRecord = {
  id: 'abcd1234-17',
  session: 'abcd1234',
  seq: 17,
  time: instant,
  kind: 'file',
  operation: 'open',
  object: '/home/user/.ssh/id_ed25519',
  disposition: 'denied',
  mode: 'enforce',
  generation: 3,
  layer: 'fanotify',
  rule: {
    id: 'coding-agent/files[3]',
    source: { file: 'profiles/coding-agent.yaml', line: 14, key: 'files[3].never' },
  },
  reason: 'never: credentials',
  outcome: 'EPERM',
  process: { pid: 4711, ppid: 4700, exe: '/usr/bin/cat', comm: 'cat' },
  tree: [
    { pid: 4711, ppid: 4700, exe: '/usr/bin/cat', comm: 'cat' },
    { pid: 4700, ppid: 4690, exe: '/usr/bin/bash', comm: 'bash' },
    { pid: 4690, exe: '/usr/bin/node', comm: 'claude' },
  ],
};

/** A name that tries to steer the reader's terminal. */
export const deniedConnect: SessionRecord = {
  id: 'abcd1234-18',
  session: 'abcd1234',
  seq: 18,
  time: instant + 1000,
  kind: 'connect',
  operation: 'connect',
  object: 'evil\u001b[2J.example:443',
  disposition: 'denied',
  mode: 'enforce',
  generation: 3,
  layer: 'decision',
  reason: 'no rule allows this',
  process: { pid: 4712, exe: '/usr/bin/curl' },
  count: 3,
};

export const allowedRename: SessionRecord = {
  id: 'abcd1234-19',
  session: 'abcd1234',
  seq: 19,
  time: instant + 2000,
  kind: 'file',
  operation: 'rename',
  object: '/work/a',
  object2: '/work/b',
  disposition: 'allowed',
  mode: 'enforce',
  generation: 3,
  layer: 'decision',
  reason: 'workspace',
  outcome: 'ENOENT',
  process: { pid: 4713, comm: 'mv' },
};

export const explained: Partial<Bodies['explainAnswer']> = {
  record: JSON.stringify(deniedRead),
  layer: 'the kernel asked before the file was opened',
  rule: 'coding-agent/files[3] at profiles/coding-agent.yaml:14 (files[3].never)',
  change: '',
  changeFile: '',
  notes: ['a never rule forbids this: only that rule itself could be changed'],
};

export const explainedNote: Partial<Bodies['explainAnswer']> = {
  record: JSON.stringify(deniedConnect),
  notes: ['The kernel refuses this call to every sandboxed program.'],
};

export const explainedChange: Partial<Bodies['explainAnswer']> = {
  record: JSON.stringify(deniedConnect),
  layer: '',
  rule: '',
  change: 'network:\n  - { allow: "evil.example:443" }\n',
  changeFile: '/etc/cordon/profiles/coding-agent.yaml',
  notes: ['Three attempts were folded into this record.'],
};

export const session: SessionInfo = {
  session: 'abcd1234',
  state: 'running',
  user: 'user',
  profile: 'coding-agent',
  profileVersion: 3,
  mode: 'enforce',
  workspace: '/work',
  argv: ['claude', '--print', 'tidy\u0007 up'],
  started: instant,
  ended: instant + 125_000,
  supervisorPid: 100,
  initPid: 101,
  processes: 4,
  allowed: 1200,
  denied: 2,
  generation: 3,
  layers: [
    { layer: 'landlock', effective: true, detail: 'ABI 7' },
    { layer: 'cgroup', effective: false, detail: 'cgroup v2 is not mounted' },
  ],
  exitCode: 0,
};

export const checks: Bodies['doctorAnswer'] = {
  checks: [
    { name: 'landlock', state: 'ok', detail: 'ABI 7, a denied write was refused', fix: '' },
    {
      name: 'cgroup',
      state: 'warn',
      detail: 'pids are version 1',
      fix: 'boot with systemd.unified_cgroup_hierarchy=1',
    },
    { name: 'fanotify', state: 'fail', detail: 'EPERM', fix: 'run cordond as root' },
  ],
};
