// What work costs inside a live sandbox: gcc, git status, npm, grep -r over 5,000 files. Run (as root, after
// npm run build):
//   bash daemon/scripts/node24.sh test/bench/workloads.ts
import { mkdirSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { asUser } from '../support/user.ts';
import { Client } from './support/client.ts';
import { contest, printTable, type Contestant, type Result } from './support/contest.ts';
import { Driver, driverCommand } from './support/driver.ts';
import { userEnvironment } from './support/peers.ts';
import { give, onStage, type Stage } from './support/stage.ts';

const rounds = 9;
const firstRounds = 9;
const grep = 'grep -r nothing-like-this tree || true';
const work: readonly (readonly [title: string, command: string, goal: string])[] = [
  ['gcc -O1 of a 300-line file', 'gcc -O1 -o out.o -c source.c', '≤ 1.05x'],
  ['git status, 500 files', 'git -C repository status', '≤ 1.05x'],
  ['npm ls, 60 packages', 'npm --cache .npm --prefix package ls', '≤ 1.05x'],
  [
    'npm pack --dry-run',
    'cd package && npm --cache ../.npm pack --dry-run; s=$?; cd ..; (exit $s)',
    '≤ 1.05x',
  ],
  ['grep -r over 5,000 files, later', grep, '≤ 1.2x'],
];

function sourceText(): string {
  const body = Array.from(
    { length: 60 },
    (_, i) => `int f${i}(int x) {\n  char s[64];\n  snprintf(s, 64, "%d", x);\n  return x * ${i};\n}`,
  );
  return `#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n${body.join('\n')}\n`;
}

function layTree({ workspace }: Stage): void {
  for (let directory = 0; directory < 50; directory++) {
    const path = join(workspace, `tree/d${directory}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < 100; file++)
      writeFileSync(join(path, `f${file}.txt`), 'some words in a line\n'.repeat(40));
  }
  writeFileSync(join(workspace, 'source.c'), sourceText());
}

function layRepository({ workspace }: Stage): void {
  const path = join(workspace, 'repository');
  mkdirSync(path);
  for (let file = 0; file < 500; file++) writeFileSync(join(path, `f${file}.c`), `int f${file};\n`);
  const git = (...argv: string[]): void => {
    const ran = spawnSync(
      'git',
      ['-C', path, '-c', 'user.name=b', '-c', 'user.email=b@example.com', ...argv],
      { encoding: 'utf8' },
    );
    if (ran.status !== 0) throw new Error(ran.stderr);
  };
  git('init', '--quiet');
  git('add', '.');
  git('commit', '--quiet', '--message', 'all');
}

function layPackage({ workspace }: Stage): void {
  const path = join(workspace, 'package');
  const names = Array.from({ length: 60 }, (_, i) => `p${i}`);
  for (const name of names) {
    mkdirSync(join(path, 'node_modules', name), { recursive: true });
    writeFileSync(
      join(path, 'node_modules', name, 'package.json'),
      JSON.stringify({ name, version: '1.0.0' }),
    );
  }
  const dependencies = Object.fromEntries(names.map((name) => [name, '1.0.0']));
  writeFileSync(
    join(path, 'package.json'),
    JSON.stringify({ name: 'bench', version: '1.0.0', dependencies }),
  );
}

const settings = (stage: Stage): { cwd: string; env: Record<string, string> } => ({
  cwd: stage.workspace,
  env: { ...userEnvironment(stage.user), PATH: '/usr/local/bin:/usr/bin:/bin' },
});
const peerDriver = (stage: Stage, argv: readonly string[]): Driver =>
  new Driver(asUser(stage.user, argv), settings(stage));

function cordonDriver(stage: Stage): Driver {
  const options = { user: stage.user, workspace: stage.workspace, profile: 'coding-agent' };
  const env = stage.cordon.runEnvironment(options);
  return new Driver(stage.cordon.runCommand(driverCommand, options), { cwd: stage.workspace, env });
}

interface Seat {
  readonly name: string;
  readonly open: () => Driver;
}
const seats = (stage: Stage): Seat[] => [
  { name: 'native', open: () => peerDriver(stage, driverCommand) },
  { name: 'cordon', open: () => cordonDriver(stage) },
  // srt joins its arguments into one shell line: a script in a file needs no quoting.
  ...stage.peers.peers.map((peer) => ({
    name: peer.name,
    open: () => peerDriver(stage, peer.argv(['bash', join(stage.directory, 'driver.sh')])),
  })),
];

async function live(stage: Stage): Promise<void> {
  const drivers = seats(stage).map(({ name, open }) => ({ name, driver: open() }));
  for (const [title, command, goal] of work) {
    const contestants: Contestant[] = drivers.map(({ name, driver }) => ({
      name,
      measure: () => driver.time(command),
    }));
    const results = await contest(contestants, rounds);
    printTable({
      title: `${title}: ${command}`,
      unit: 'ms',
      rounds,
      results,
      goal,
      missing: stage.peers.missing,
    });
  }
  for (const { driver } of drivers) await driver.end();
}

/** The first pass of a new sandbox, on a machine that has nothing else to do: nothing is in the kernel's decision cache. */
async function first(stage: Stage): Promise<void> {
  const client = await Client.connect(stage);
  const once = ({ name, open }: Seat): Contestant => ({
    name,
    measure: async () => {
      await client.warm();
      const driver = open();
      await driver.time('true');
      const time = await driver.time(grep);
      await driver.end();
      return time;
    },
  });
  const results: Result[] = await contest(seats(stage).map(once), firstRounds);
  client.close();
  const title = `grep -r over 5,000 files, first in a new sandbox: ${grep}`;
  printTable({
    title,
    unit: 'ms',
    rounds: firstRounds,
    results,
    goal: '≤ 1.5x',
    missing: stage.peers.missing,
  });
}

await onStage({}, async (stage) => {
  writeFileSync(join(stage.directory, 'driver.sh'), driverCommand[2] ?? '');
  layTree(stage);
  layRepository(stage);
  layPackage(stage);
  give(stage.user, stage.directory);
  await live(stage);
  await first(stage);
});
