// What the offline policy verbs work on: profiles by name or by file, as the daemon would find them.
import { resolve } from 'node:path';
import { builtInProfiles, loadPolicy, readSource, type PolicyState } from '../config/profiles.ts';
import { localProfileDir } from '../config/cli-env.ts';
import { CordonError } from '../model/mod.ts';
import { parseProfile, type ProfileSource } from '../policy/mod.ts';
import { textOption, type VerbContext } from './verb.ts';

/** The policy on this disk; `--profiles DIR` is searched first. */
export function localPolicy(context: VerbContext, first?: string): PolicyState {
  const given = textOption(context, 'profiles');
  const directories = [
    ...(first === undefined ? [] : [first]),
    ...(given === undefined ? [] : [resolve(given)]),
  ];
  return loadPolicy({ profileDirs: [...directories, localProfileDir] });
}

export const isFile = (operand: string): boolean => operand.includes('/') || /\.ya?ml$/.test(operand);

export interface Chosen {
  readonly name: string;
  readonly source: ProfileSource;
  /** All profiles; the chosen one in its place. */
  readonly policy: PolicyState;
}

/** A profile by name, or the one in a file, which then stands for its name. */
export function chooseProfile(context: VerbContext): Chosen {
  const operand = context.operands[0] ?? '';
  const policy = localPolicy(context);
  if (isFile(operand)) {
    const source = readSource(operand);
    const { name } = parseProfile(source.file, source.text);
    return { name, source, policy: { ...policy, sources: new Map([...policy.sources, [name, source]]) } };
  }
  const source = policy.sources.get(operand);
  if (source === undefined) throw unknownProfile(operand, policy);
  return { name: operand, source, policy };
}

export const unknownProfile = (name: string, { sources }: PolicyState): CordonError =>
  new CordonError('not-found', `there is no profile ${name}`, {
    fix: `The profiles in ${localProfileDir} and ${builtInProfiles()} are: ${[...sources.keys()].sort().join(', ')}`,
  });
