// kill -9 and SIGSTOP of cordond, the supervisor and egress at random moments, while an agent works and tries what it
// may not: work goes on where it should, nothing gets through, and the records are whole. CORDON_SEED repeats a run.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { processesNaming } from '../../support/leftovers.ts';
import type { SandboxShell } from '../../support/sandbox-shell.ts';
import { randomFrom, seed } from '../../support/seed.ts';
import { killsOf, timeFor } from '../../support/size.ts';
import { until } from '../../support/until.ts';
import { prepare, skipReason, type Ground } from './ground.ts';

const rounds = killsOf({ usual: 7, full: 200 });
const random = randomFrom(seed);
/** Milliseconds from recovery to the next fault, at most. */
const calm = 600;

const agent = (granted: number, denied: number, secret: string): string => `
n=0
while :; do
  n=$((n + 1))
  echo $n > work-$((n % 10)) && read -r line < work-$((n % 10)) && mv work-$((n % 10)) done-$((n % 10)) && echo "work $n"
  read -r line < ${secret} && echo "LEAK $line"
  echo x > ${secret}.new && echo "LEAK written"
  ( exec 3<> /dev/tcp/127.0.0.1/${denied} ) && ! read -r -t 1 -u 3 line || :
  if [ $((n % 4)) = 0 ]; then
    curl -sS -m 2 http://127.0.0.1:${granted}/ && echo "net $n"
    curl -sS -m 1 http://127.0.0.1:${denied}/
  fi
done
`;

interface Scene extends Ground {
  shell_: SandboxShell;
  session: string;
  supervisorPid: number;
}

/** Lines of this kind that the agent has written so far. */
const count = ({ shell_ }: Scene, word: string): number => shell_.output.split(`${word} `).length - 1;

async function progress(scene: Scene, word: string, what: string): Promise<void> {
  const before = count(scene, word);
  await until(`seed ${seed}: ${what}`, () => count(scene, word) > before, {
    within: 40_000,
    evidence: () => scene.shell_.output.slice(-300) + scene.shell_.errors.slice(-300) + scene.cordon.log,
  });
}

async function begin(ground: Ground): Promise<Scene> {
  const shell_ = await ground.shell();
  const { session, supervisorPid } = await until('the session runs', async () =>
    (await ground.cordon.sessions()).find(
      (one) => one.state === 'running' && one.workspace === ground.workspace,
    ),
  );
  shell_.tell('. ./agent.sh 2>/dev/null');
  const scene = { ...ground, shell_, session, supervisorPid };
  await progress(scene, 'net', 'the agent works');
  return scene;
}

const egressOf = (supervisorPid: number): number | undefined =>
  processesNaming('egress.js').find(({ parent }) => parent === supervisorPid)?.pid;

/** Each leaves a scene that works, maybe a new one. */
const faults: Readonly<Record<string, (scene: Scene) => Promise<Scene>>> = {
  'kill -9 of cordond': async (scene) => {
    await scene.cordon.killDaemon();
    await progress(scene, 'work', 'work goes on without cordond');
    await scene.cordon.startDaemon();
    await adopted(scene);
    return scene;
  },
  'kill -9 of cordond, and of the next one while it starts': async (scene) => {
    await scene.cordon.killDaemon();
    for (let n = 0; n < 3; n++) {
      const starting = scene.cordon.startDaemon().catch(() => undefined);
      await pause(random() * 500);
      await scene.cordon.killDaemon();
      await starting;
    }
    await scene.cordon.startDaemon();
    await adopted(scene);
    return scene;
  },
  'kill -9 of egress': async (scene) => {
    const egress = await until('egress runs', () => egressOf(scene.supervisorPid));
    process.kill(egress, 'SIGKILL');
    await until('egress runs again', () => {
      const pid = egressOf(scene.supervisorPid);
      return pid !== undefined && pid !== egress;
    });
    await progress(scene, 'net', 'the network works again');
    return scene;
  },
  'kill -9 of the supervisor': async (scene) => {
    process.kill(scene.supervisorPid, 'SIGKILL');
    await until('cordon run ends', () => scene.shell_.ended !== undefined);
    return begin(scene);
  },
  'SIGSTOP of cordond': async (scene) => {
    process.kill(scene.cordon.daemonPid, 'SIGSTOP');
    await progress(scene, 'work', 'work goes on while cordond stands still');
    await pause(random() * 1000);
    process.kill(scene.cordon.daemonPid, 'SIGCONT');
    await adopted(scene);
    return scene;
  },
  'SIGSTOP of the supervisor': async (scene) => {
    process.kill(scene.supervisorPid, 'SIGSTOP');
    await pause(random() * 1000);
    process.kill(scene.supervisorPid, 'SIGCONT');
    await progress(scene, 'work', 'work goes on after the supervisor stood still');
    return scene;
  },
  'SIGSTOP of egress': async (scene) => {
    const egress = await until('egress runs', () => egressOf(scene.supervisorPid));
    process.kill(egress, 'SIGSTOP');
    await pause(random() * 1500);
    process.kill(egress, 'SIGCONT');
    await progress(scene, 'net', 'the network works again');
    return scene;
  },
};

async function adopted({ cordon, session }: Scene): Promise<void> {
  await until(`seed ${seed}: cordond has the session`, async () =>
    (await cordon.sessions()).some((one) => one.session === session && one.state === 'running'),
  );
}

/** A record of a session that was not killed is missing nowhere; nothing is there twice or damaged. */
async function checkRecords(t: Test, ground: Ground, session: string, killed: boolean): Promise<void> {
  await until('the session is over and drained', async () =>
    (await ground.cordon.sessions()).some((one) => one.session === session && one.state !== 'running'),
  );
  const all = await ground.cordon.records(session);
  const trouble = all.filter(
    ({ operation }) => operation === 'journal-repeat' || operation === 'journal-hole',
  );
  const allowed = killed ? trouble.filter(({ operation }) => operation === 'journal-hole') : [];
  t.same(
    trouble.filter((record) => !allowed.includes(record)),
    [],
    `${session}: no record is missing or there twice`,
  );
  const denied = all.filter(({ disposition }) => disposition === 'denied').map(({ object }) => object);
  t.ok(denied.includes(ground.privateFile), `${session}: the reads that were tried are on record`);
  t.ok(denied.includes(`${ground.privateFile}.new`), `${session}: and the writes`);
}

t.test(`${rounds} faults by seed ${seed}`, { skip: skipReason(), timeout: timeFor(rounds) }, async (t) => {
  let unwanted = 0;
  const servers = [
    createServer((_request, response) => response.end('granted\n')),
    createServer((_request, response) => response.end('denied\n')).on('connection', () => unwanted++),
  ];
  for (const server of servers)
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.teardown(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });
  const [granted = 0, denied = 0] = servers.map((server) => (server.address() as AddressInfo).port);
  const ground = await prepare(t, 'deaths', { network: [`127.0.0.1:${granted}`] });
  writeFileSync(join(ground.workspace, 'agent.sh'), agent(granted, denied, ground.privateFile));

  let scene = await begin(ground);
  const over: { session: string; killed: boolean }[] = [];
  const outputs = [scene.shell_];
  const waiting: string[] = [];
  for (let round = 0; round < rounds; round++) {
    await pause(random() * calm);
    // Every fault has its turn; order and moments are the seed's.
    if (waiting.length === 0) waiting.push(...Object.keys(faults));
    const [name = ''] = waiting.splice(Math.floor(random() * waiting.length), 1);
    const next = await (faults[name]?.(scene) ?? Promise.reject(new Error(`no fault ${name}`)));
    t.pass(`${round}: ${name}`);
    if (next.session !== scene.session) {
      over.push({ session: scene.session, killed: true });
      outputs.push(next.shell_);
    }
    scene = next;
  }
  await ground.cordon.cli(['kill', scene.session]);
  over.push({ session: scene.session, killed: false });
  t.equal(unwanted, 0, 'the server that is not granted saw no connection');
  for (const { output } of outputs) {
    t.notMatch(output, 'LEAK', 'nothing was read or written that may not be');
    t.notMatch(output, ground.canary, 'the secret came out nowhere');
  }
  for (const { session, killed } of over) await checkRecords(t, ground, session, killed);
});
