// `cordon policy show NAME|FILE`: what would be in force for a session, after inheritance and managed settings. Needs
// no daemon.
import { realpathSync } from 'node:fs';
import { homeOf } from '../../config/home.ts';
import { cliEnvironment } from '../../config/cli-env.ts';
import { CordonError, normalise, toBytes } from '../../model/mod.ts';
import { policyShow as show, type CompileContext } from '../../policy/mod.ts';
import { chooseProfile } from '../policy-files.ts';
import { printableLines } from '../text/printable.ts';
import { textOption, type VerbAction, type VerbContext } from '../verb.ts';

function sessionOf(context: VerbContext): CompileContext {
  const { user, home } = homeOf(textOption(context, 'user') ?? cliEnvironment().sudoUser);
  return {
    user,
    home: normalise(toBytes(home)),
    workspace: normalise(toBytes(workspaceOf(textOption(context, 'workspace') ?? '.'))),
    tmp: normalise('/tmp'),
    generation: 0,
  };
}

function workspaceOf(directory: string): string {
  try {
    return realpathSync(directory);
  } catch (error) {
    throw new CordonError(
      'not-found',
      `the workspace ${directory} cannot be used: ${(error as Error).message}`,
      {
        fix: 'Give an existing directory: --workspace DIR',
        cause: error,
      },
    );
  }
}

export const policyShow: VerbAction = (context) => {
  const { name, policy } = chooseProfile(context);
  const session = sessionOf(context);
  const managed = policy.managed === undefined ? {} : { managed: policy.managed };
  const { json, text } = show(name, policy.sources, { ...session, ...managed });
  context.out(...(context.json ? [JSON.stringify(json)] : printableLines(text)));
  return Promise.resolve(0);
};
