// Launch of `true`, from the request to its end. Run (as root, after npm run build):
//   bash daemon/scripts/node24.sh test/bench/launch.ts
// The daemon is warm: one supervisor waits in its pool before each launch.
import { spawn } from 'node:child_process';
import { asUser } from '../support/user.ts';
import { Client } from './support/client.ts';
import { contest, printTable, type Contestant } from './support/contest.ts';
import { userEnvironment } from './support/peers.ts';
import { onStage, type Stage } from './support/stage.ts';

const rounds = 15;
const command = ['/bin/true'];

function timed(file: string, argv: readonly string[], options: Parameters<typeof spawn>[2]): Promise<number> {
  const begin = process.hrtime.bigint();
  const child = spawn(file, argv, { ...options, stdio: 'ignore' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const time = Number(process.hrtime.bigint() - begin) / 1e6;
      if (code === 0) resolve(time);
      else reject(new Error(`${file} ${argv.join(' ')}: ${code ?? signal ?? ''}`));
    });
  });
}

const own = ({ user, workspace }: Stage): Parameters<typeof spawn>[2] => ({
  cwd: workspace,
  uid: user.uid,
  gid: user.gid,
  env: userEnvironment(user),
});

function programs(stage: Stage): Contestant[] {
  return stage.peers.peers.map(({ name, argv }) => {
    const [file = '', ...rest] = argv(command);
    return { name, measure: () => timed(file, rest, own(stage)) };
  });
}

async function inProcess(client: Client): Promise<number> {
  await client.warm();
  const begin = process.hrtime.bigint();
  const code = await client.run(command, 'coding-agent');
  if (code !== 0) throw new Error(`the session ended with ${code}`);
  return Number(process.hrtime.bigint() - begin) / 1e6;
}

async function wholeProgram(stage: Stage, client: Client): Promise<number> {
  await client.warm();
  const options = { user: stage.user, workspace: stage.workspace, profile: 'coding-agent' };
  const [file = '', ...argv] = stage.cordon.runCommand(command, options).slice(asUser(stage.user, []).length);
  return timed(file, argv, { ...own(stage), env: stage.cordon.runEnvironment(options) });
}

await onStage({}, async (stage) => {
  const client = await Client.connect(stage);
  const [file = '', ...argv] = command;
  const results = await contest(
    [
      { name: 'bare spawn', measure: () => timed(file, argv, own(stage)) },
      { name: 'cordon, client in process', measure: () => inProcess(client) },
      { name: 'cordon run -- true', measure: () => wholeProgram(stage, client) },
      ...programs(stage),
    ],
    rounds,
  );
  client.close();
  const goal = 'cordon, client in process ≤ 2.0x a bare spawn';
  printTable({ title: 'launch of true', unit: 'ms', rounds, results, missing: stage.peers.missing, goal });
});
