// `policy check`: is this text a profile that could be run?
import { CordonError, normalise } from '../model/mod.ts';
import { compile } from './compile.ts';
import { refuseOtherName } from './inherit.ts';
import { parseProfile } from './profile.ts';
import type { CompileContext, ProfileSources } from './source.ts';

export interface Checked {
  readonly ok: boolean;
  readonly profile?: {
    readonly name: string;
    readonly version: number;
    readonly rules: number;
    readonly digest: string;
  };
  /** As the errors of the daemon: message, file, line, key, fix. */
  readonly error?: CordonError;
}

/** Stands for any session: patterns only need values that are paths. */
const example: CompileContext = {
  home: normalise('/home/user'),
  workspace: normalise('/home/user/project'),
  tmp: normalise('/tmp'),
  user: 'user',
  generation: 0,
};

/**
 * Checks `text` as if it stood among `sources` (where its parents are looked for), under `name` when it has one there.
 * Never throws for a bad profile.
 */
export function policyCheck(text: string, file: string, sources: ProfileSources, name?: string): Checked {
  try {
    const profile = parseProfile(file, text);
    if (name !== undefined) refuseOtherName(profile, name);
    const plan = compile(profile.name, new Map([...sources, [profile.name, { file, text }]]), example);
    const { rules, policyDigest } = plan.capabilitySet;
    return {
      ok: true,
      profile: { name: profile.name, version: profile.version, rules: rules.length, digest: policyDigest },
    };
  } catch (cause) {
    if (cause instanceof CordonError) return { ok: false, error: cause };
    throw cause;
  }
}
