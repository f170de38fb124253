// Inheritance: a profile and all it extends, parents first, each once.
import { nearest } from './nearest.ts';
import { parseProfile } from './profile.ts';
import type { Profile } from './profile.ts';
import { invalid } from './source.ts';
import type { Place, ProfileSource, ProfileSources } from './source.ts';

const longestChain = 64;

/** Parents before children; the profile asked for is last. */
export function lineage(name: string, sources: ProfileSources): Profile[] {
  const done = new Map<string, Profile>();
  visit(name, { file: 'session', line: 0, key: 'profile' }, [], done, sources);
  return [...done.values()];
}

function visit(
  name: string,
  asked: Place,
  path: readonly string[],
  done: Map<string, Profile>,
  sources: ProfileSources,
): void {
  if (path.includes(name)) {
    const ring = [...path.slice(path.indexOf(name)), name].join(' → ');
    throw invalid(
      asked,
      `profiles extend one another in a circle: ${ring}`,
      'take one of them out of extends',
    );
  }
  if (done.has(name)) return;
  if (done.size + path.length >= longestChain)
    throw invalid(asked, `more than ${longestChain} profiles in one`, 'join some of them');
  const profile = load(name, asked, path, sources);
  for (const parent of profile.extends) visit(parent.name, parent.place, [...path, name], done, sources);
  done.set(name, profile);
}

function load(name: string, asked: Place, path: readonly string[], sources: ProfileSources): Profile {
  const source = sources.get(name);
  if (!source) {
    // Never itself: it would be a circle.
    const others = [...sources.keys()].filter((other) => other !== path.at(-1));
    const close = nearest(name, others);
    const known = others.sort().join(', ');
    throw invalid(
      asked,
      `there is no profile ${name}`,
      close === undefined ? `the profiles are: ${known || 'none'}` : `did you mean ${close}?`,
    );
  }
  const profile = parsed(source);
  refuseOtherName(profile, name);
  return profile;
}

export function refuseOtherName(profile: Profile, name: string): void {
  if (profile.name === name) return;
  const place = { file: profile.file, line: 1, key: 'name' };
  throw invalid(place, `the profile is called ${profile.name}, its file ${name}`, 'give both the same name');
}

/** Parsing costs milliseconds, and a launch waits for it. A source is immutable: the same one parses to the same. */
const known = new WeakMap<ProfileSource, Profile>();

function parsed(source: ProfileSource): Profile {
  let profile = known.get(source);
  if (!profile) known.set(source, (profile = parseProfile(source.file, source.text)));
  return profile;
}
