// Other sandboxes that run a command, measured beside Cordon in the same run. Each is left out, with its reason, where it
// is not installed or does not work.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asUser, type TestUser } from '../../support/user.ts';

const agents = fileURLToPath(new URL('../../e2e/agents/node_modules/', import.meta.url));
const install = 'install it: (cd test/e2e/agents && npm ci)';

export interface Peer {
  readonly name: string;
  readonly argv: (command: readonly string[]) => readonly string[];
}

export interface Peers {
  readonly peers: readonly Peer[];
  readonly missing: readonly string[];
}

export interface Place {
  readonly user: TestUser;
  readonly workspace: string;
  /** For settings files; readable by the user. */
  readonly directory: string;
}

export const userEnvironment = (user: TestUser): Record<string, string> => ({
  HOME: user.home,
  USER: user.name,
  PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
  LANG: 'C.UTF-8',
});

const bwrap = ({ workspace }: Place): Peer => ({
  name: 'bwrap',
  argv: (command) => [
    'bwrap',
    ...['--unshare-all', '--die-with-parent', '--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc'],
    ...['--tmpfs', '/tmp', '--bind', workspace, workspace, '--chdir', workspace, '--'],
    ...command,
  ],
});

function srt({ directory, workspace }: Place): Peer {
  const settings = join(directory, 'srt.json');
  const filesystem = { denyRead: [], allowWrite: [workspace, '/tmp'], denyWrite: [] };
  writeFileSync(settings, JSON.stringify({ filesystem, network: { allowedDomains: [], deniedDomains: [] } }));
  return {
    name: 'srt',
    argv: (command) => [process.execPath, join(agents, '.bin/srt'), '-s', settings, ...command],
  };
}

function codexProgram(): string | undefined {
  return globSync(join(agents, '@openai/codex-linux-*/vendor/*/bin/codex'))[0];
}
const codex = (program: string): Peer => ({
  name: 'codex sandbox',
  argv: (command) => [program, 'sandbox', '-c', 'sandbox_mode="workspace-write"', '--', ...command],
});

function candidates(place: Place): readonly [name: string, peer: () => Peer | string][] {
  const program = codexProgram();
  return [
    ['bwrap', () => bwrap(place)],
    ['srt', () => (existsSync(join(agents, '.bin/srt')) ? srt(place) : install)],
    ['codex sandbox', () => (program === undefined ? install : codex(program))],
  ];
}

function works(peer: Peer, { user, workspace }: Place): string | undefined {
  const [file = '', ...rest] = asUser(user, peer.argv(['true']));
  const ran = spawnSync(file, rest, {
    cwd: workspace,
    env: userEnvironment(user),
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (ran.status === 0) return undefined;
  return (ran.stderr || ran.error?.message || `exit ${ran.status ?? ran.signal ?? ''}`)
    .trim()
    .split('\n')
    .slice(-1)[0];
}

export function findPeers(place: Place): Peers {
  const peers: Peer[] = [];
  const missing: string[] = [];
  for (const [name, make] of candidates(place)) {
    const peer = make();
    const reason = typeof peer === 'string' ? peer : works(peer, place);
    if (reason === undefined && typeof peer !== 'string') peers.push(peer);
    else missing.push(`${name}: ${reason ?? ''}`);
  }
  return { peers, missing };
}
