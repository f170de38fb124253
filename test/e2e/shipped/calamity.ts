// What befalls Cordon and its sinks while the agent works, each at a step of the agent's own: nothing of it waits for a clock.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { processesNaming } from '../../support/leftovers.ts';
import type { NatsServer } from '../../support/nats-server.ts';
import { startReceiver, type Receiver } from '../../support/otlp/receiver.ts';
import { emptyDisk, fillDisk } from '../../support/small-disk.ts';
import { until } from '../../support/until.ts';
import type { Step } from '../model/script.ts';
import { patience, type CordonScene } from '../scene.ts';
import type { Stage } from '../stage.ts';

// By builtins alone: with a full disk no program starts. What is said through a descriptor that is open needs no decision.
const whileFull = `exec 5> progress; : > ready
until ! : > filler; do :; done 2> errors
echo refused >&5
until [ -e go-on ]; do :; done
until : > filler; do :; done 2> /dev/null
grep -q 'No space left' errors && echo WORKS AGAIN`;

/** The agent tries to write while the disk under the records is full, and goes on when there is room. */
export const diskStep = ({ workspace }: Stage): Step[] => [
  { name: 'script', do: 'write', path: join(workspace, 'full.sh'), content: `${whileFull}\n` },
  { name: 'full disk', do: 'shell', command: 'bash full.sh' },
];

export interface Sinks {
  readonly nats: NatsServer;
  /** Each takes the place of the one before on the same port. */
  readonly receivers: Receiver[];
}

const uploadersOf = (daemon: number): number[] =>
  processesNaming('uploader.js')
    .filter(({ parent }) => parent === daemon)
    .map(({ pid }) => pid);

export async function befall(
  t: Test,
  { cordon, model, stage }: CordonScene,
  { nats, receivers }: Sinks,
  stateDir: string,
): Promise<void> {
  const done = (step: string): Promise<boolean> =>
    until(`the agent has done "${step}"`, () => model.results.has(step), { within: patience });
  const here = (name: string): string => join(stage.workspace, name);

  await done('read');
  await receivers[0]?.close();
  for (const pid of uploadersOf(cordon.daemonPid)) process.kill(pid, 'SIGKILL');
  await done('edit');
  await nats.crash();
  await cordon.killDaemon();
  await done('build');
  await cordon.startDaemon();
  for (const pid of uploadersOf(cordon.daemonPid)) process.kill(pid, 'SIGKILL');
  await nats.start();
  receivers.push(await startReceiver(t, undefined, receivers[0]?.port));

  await until('the agent is at the disk', () => existsSync(here('ready')), { within: patience });
  await until('a write is refused', () => {
    fillDisk(stateDir);
    return readFileSync(here('progress'), 'utf8').includes('refused');
  });
  await nats.crash();
  emptyDisk(stateDir);
  writeFileSync(here('go-on'), '');
  await done('full disk');
  await cordon.killDaemon();
  await nats.start();
  await cordon.startDaemon();
}
