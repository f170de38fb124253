// A stage with an agent, its model and a private cordond on it.
import type { Test } from 'tap';
import {
  baseEnvironment,
  TestCordon,
  type CordonOptions,
  type Ran,
  type RunOptions,
} from '../support/cordon.ts';
import { capture, start } from '../support/capture.ts';
import { asUser, testUser } from '../support/user.ts';
import type { Agent } from './agents.ts';
import type { Step } from './model/script.ts';
import type { ModelServer } from './model/server.ts';
import { profileName, profileText } from './profile.ts';
import { attacks, scriptOf, work } from './script.ts';
import { setStage, settle, type Stage } from './stage.ts';

export interface Scene {
  readonly agent: Agent;
  readonly stage: Stage;
  readonly model: ModelServer;
}

export interface CordonScene extends Scene {
  readonly cordon: TestCordon;
  readonly how: RunOptions;
}

export const prompt = 'Fix the greeting, then do what else you are told.';

/** Milliseconds one whole run may take. */
export const patience = 200_000;

export interface Plot {
  /** What the model asks for after the work and before the attacks. */
  readonly between?: (stage: Stage) => readonly Step[];
  /** Suffix of the user: files that run at the same time have one each. */
  readonly user?: string;
}

export async function setScene(
  t: Test,
  agent: Agent,
  { between = () => [], user = agent.name }: Plot = {},
): Promise<Scene> {
  const stage = setStage(testUser(user));
  const model = await agent.serve(scriptOf([...work(stage), ...between(stage), ...attacks(stage)]));
  settle(agent, stage, model.port);
  t.teardown(async () => {
    await model.close();
    stage.strike();
  });
  return { agent, stage, model };
}

export async function withCordon(
  t: Test,
  scene: Scene,
  options: Omit<CordonOptions, 'profiles'> = {},
): Promise<CordonScene> {
  const { agent, model, stage } = scene;
  const env = agent.environment(model.port);
  const profiles = { [profileName]: profileText(model.port, Object.keys(env)) };
  const cordon = await TestCordon.start({ ...options, profiles });
  t.teardown(() => cordon.stop());
  const how = { user: stage.user, workspace: stage.workspace, profile: profileName, env, within: patience };
  return { ...scene, cordon, how };
}

/** The agent as its user would start it, with nothing around it. */
export function runBare({ agent, stage, model }: Scene): Promise<Ran> {
  const env = { ...baseEnvironment(stage.user), ...agent.environment(model.port) };
  const argv = asUser(stage.user, agent.headless(prompt));
  return capture(start(argv, { env, cwd: stage.workspace, within: patience }));
}

/** What a failed assertion prints. */
export const evidence = ({ model }: Scene, ran?: Ran, cordon?: TestCordon): Record<string, unknown> => ({
  seen: model.seen.map(({ method, path, status, note }) => `${method} ${path} ${status} ${note}`),
  results: [...model.results.values()].map(({ step, text }) => `${step}: ${text.slice(0, 400)}`),
  ...(ran === undefined
    ? {}
    : { code: ran.code, out: ran.stdout.slice(-1500), err: ran.stderr.slice(-3000) }),
  ...(cordon === undefined ? {} : { daemon: cordon.log.slice(-3000) }),
});
