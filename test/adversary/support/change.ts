// What `cordon explain` would print for a denial, applied: it must allow exactly what was denied, and nothing beside it.
import { join } from 'node:path';
import { builtInProfiles, loadPolicy } from '../../../daemon/config/profiles.ts';
import { createDecider } from '../../../daemon/decision/mod.ts';
import { normalise, toBytes, type Decider, type SessionRecord } from '../../../daemon/model/mod.ts';
import { compile, smallestChange, type ProfileSources } from '../../../daemon/policy/mod.ts';
import type { Site } from './site.ts';

const accesses = ['read', 'write', 'exec'] as const;

/** Everything that a small change to files might touch by mistake: `question answer`, for what lies around the objects. */
function around(decider: Decider, objects: readonly string[]): Map<string, string> {
  const places = objects.flatMap((object) => [
    object.slice(0, object.lastIndexOf('/')) || '/',
    `${object}-beside`,
    `${object}/below`,
    object,
  ]);
  const answers = new Map<string, string>();
  for (const place of places) {
    const path = normalise(toBytes(place));
    for (const access of accesses) answers.set(`${access} ${place}`, decider.file({ access, path }).effect);
    answers.set(`exec ${place}`, decider.exec(path).effect);
    answers.set(`socket ${place}`, decider.socket({ path }).effect);
  }
  for (const host of ['unrelated.example', '198.51.100.7'])
    answers.set(`net ${host}`, decider.network({ host, port: 443 }).effect);
  return answers;
}

export interface Applied {
  readonly record: SessionRecord;
  readonly yaml: string;
  readonly note: string;
  /** Questions beside the record's own that got another answer. */
  readonly widened: readonly string[];
}

/** The change for one record, and what else it would change. `profile`: the text of the profile called `adversary`. */
export function applied(site: Site, profile: string, record: SessionRecord): Applied {
  const builtIn = loadPolicy({ profileDirs: [], managedFile: join(builtInProfiles(), 'none') }).sources;
  const sources: ProfileSources = new Map([
    ...builtIn,
    ['adversary', { file: 'adversary.yaml', text: profile }],
  ]);
  const context = {
    home: normalise(toBytes(site.user.home)),
    workspace: normalise(toBytes(site.ws)),
    tmp: normalise('/tmp'),
    user: site.user.name,
    generation: 1,
  };
  const { yaml, note } = smallestChange(record, 'adversary', sources, context);
  if (yaml === '') return { record, yaml, note, widened: [] };
  const deciderOf = (all: ProfileSources, name: string): Decider =>
    createDecider(compile(name, all, context).capabilitySet);
  const child = `cordon: 1\nname: changed\nversion: 1\nextends: [adversary]\n${yaml}`;
  const changed = new Map([...sources, ['changed', { file: 'changed.yaml', text: child }]]);
  const objects = [record.object, record.object2 ?? ''].filter((object) => object.startsWith('/'));
  const before = around(deciderOf(sources, 'adversary'), objects);
  const after = around(deciderOf(changed, 'changed'), objects);
  const widened = [...after].filter(([question, answer]) => before.get(question) !== answer);
  return { record, yaml, note, widened: widened.map(([question]) => question) };
}
