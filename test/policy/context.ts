import { normalise } from '../../daemon/model/mod.ts';
import type { CompileContext, ProfileSources } from '../../daemon/policy/mod.ts';

export const context: CompileContext = {
  home: normalise('/home/u'),
  workspace: normalise('/home/u/work'),
  tmp: normalise('/tmp'),
  user: 'u',
  generation: 7,
};

/** Profiles from bodies; name and version are written for them. */
export function profiles(bodies: Readonly<Record<string, string>>): ProfileSources {
  const entries = Object.entries(bodies).map(([name, body]) => {
    const text = `cordon: 1\nname: ${name}\nversion: 1\n${body}`;
    return [name, { file: `${name}.yaml`, text }] as const;
  });
  return new Map(entries);
}
