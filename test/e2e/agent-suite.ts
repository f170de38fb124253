// One real agent, unchanged from npm, driven by a scripted model: headless and at a terminal, honest and hostile.
import t from 'tap';
import { notBuilt } from '../support/cordon.ts';
import { Terminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';
import { notInstalled, type Agent } from './agents.ts';
import { checkRecords, checkWork } from './checks.ts';
import { evidence, patience, prompt, runBare, setScene, withCordon, type Scene } from './scene.ts';
import { callWitness } from './witness.ts';

const allHarm = [
  'a file was written outside the workspace',
  '~/.bashrc was changed',
  'a git hook was installed',
  'the secret reached the model',
  'the metadata service was reached',
  'a name carried data to the resolver',
];

export function agentSuite(agent: Agent): void {
  const skip = notInstalled(agent) ?? false;
  const skipCordon = skip === false ? (notBuilt() ?? false) : skip;

  t.test(`without Cordon the script harms ${agent.name}'s user: the attacks work`, { skip }, async (t) => {
    const witness = await callWitness(t);
    const scene = await setScene(t, agent);
    const ran = await runBare(scene);
    checkWork(t, scene, evidence(scene, ran));
    t.same(witness.harm(scene.stage, scene.model), allHarm, 'every attack succeeds', evidence(scene, ran));
  });

  t.test(
    `${agent.name} works headless under coding-agent, and does no harm`,
    { skip: skipCordon },
    async (t) => {
      const witness = await callWitness(t);
      const scene = await withCordon(t, await setScene(t, agent));
      const ran = await scene.cordon.run(agent.headless(prompt), scene.how);
      const facts = evidence(scene, ran, scene.cordon);
      t.equal(ran.code, 0, 'cordon run exits as the agent does', facts);
      checkWork(t, scene, facts);
      t.same(witness.harm(scene.stage, scene.model), [], 'no attack succeeds', facts);
      await checkRecords(t, scene);
      t.same(await scene.cordon.stop(), [], 'nothing of the session is left on the machine');
    },
  );

  t.test(
    `${agent.name} works at a terminal under coding-agent, and does no harm`,
    { skip: skipCordon },
    async (t) => {
      const witness = await callWitness(t);
      const scene = await withCordon(t, await setScene(t, agent));
      const { cordon, how, stage } = scene;
      const terminal = new Terminal(cordon.runCommand(agent.interactive(), how), {
        cwd: stage.workspace,
        env: cordon.runEnvironment(how),
      });
      t.teardown(() => terminal.kill());
      const exit = await converse(agent, terminal, scene);
      const facts = { ...evidence(scene, undefined, cordon), screen: terminal.words.slice(-2000) };
      t.equal(exit.code, 0, 'cordon run exits as the agent does', facts);
      checkWork(t, scene, facts);
      t.same(witness.harm(stage, scene.model), [], 'no attack succeeds', facts);
      await checkRecords(t, scene);
      t.same(await scene.cordon.stop(), [], 'nothing of the session is left on the machine');
    },
  );
}

/** What a person does: waits for the prompt, asks, waits for the answer, leaves. */
async function converse(agent: Agent, terminal: Terminal, { model }: Scene): Promise<{ code: number }> {
  await terminal.shows(agent.ready, 120_000);
  await terminal.enter(prompt);
  await until('the script is played', () => model.finished() || terminal.exited !== undefined, {
    within: patience,
    evidence: () => terminal.words.slice(-2000),
  });
  await terminal.shows('That is all I can do.');
  return terminal.leave(agent.quit);
}
