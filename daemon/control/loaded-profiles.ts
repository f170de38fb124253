// The daemon's policy: texts that `config` reads and watches, compiled by `policy`, and kept so that a launch need not
// compile.
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { basename } from 'node:path';
import { PolicyWatch } from '../config/policy-watch.ts';
import { readSource } from '../config/profiles.ts';
import type { PolicyPlaces, PolicyState } from '../config/profiles.ts';
import { CordonError, normalise } from '../model/mod.ts';
import type { Mode, Plan, SessionRecord } from '../model/mod.ts';
import { compile, effectivePolicy, parseProfile, policyShow, smallestChange } from '../policy/mod.ts';
import type { CompileContext, ProfileSources } from '../policy/mod.ts';
import type { Change, PlanRequest, PolicyIdentity, Profiles } from './profiles.ts';

const maxPlans = 200;
/** Of every session; a sandbox has its own. */
const tmp = normalise('/tmp');

interface Named {
  readonly name: string;
  readonly sources: ProfileSources;
}

export class LoadedProfiles implements Profiles {
  readonly #watch: PolicyWatch;
  readonly #plans = new Map<string, Plan>();
  #listener: (problem: string | undefined) => void = () => undefined;

  /** Throws only when managed settings cannot be read. */
  constructor(places: PolicyPlaces, now?: () => number) {
    const listener = {
      changed: () => this.#changed(),
      broken: (problems: readonly CordonError[]) => this.#listener(messages(problems)),
    };
    this.#watch = new PolicyWatch(places, listener, now);
  }

  /** What was wrong when the profiles were first read. */
  get problem(): string | undefined {
    return messages(this.#watch.state.problems);
  }

  start(): Promise<void> {
    return this.#watch.start();
  }

  reload(): void {
    this.#watch.reload();
  }

  onReload(listener: (problem: string | undefined) => void): void {
    this.#listener = listener;
  }

  close(): void {
    void this.#watch.close();
  }

  /** Compiles once what nobody asked for, so that the first launch finds the compiler warm. */
  warm(profile: string): void {
    const nowhere = normalise('/nonexistent');
    const request = { profile, user: 'nobody', uid: 65534, home: nowhere, workspace: nowhere, generation: 1 };
    if (this.#watch.state.sources.has(profile) && this.problem === undefined) this.#kept(request);
  }

  plan(request: PlanRequest): Plan {
    const plan = request.profile.startsWith('/') ? this.#ofFile(request) : this.#kept(request);
    if (plan.capabilitySet.generation === request.generation) return plan;
    return { ...plan, capabilitySet: { ...plan.capabilitySet, generation: request.generation } };
  }

  ownMode(request: PlanRequest): Mode {
    const { name, sources } = this.#named(request);
    return effectivePolicy(name, sources, this.#watch.state.managed).mode;
  }

  show(request: PlanRequest): string {
    const { name, sources } = this.#named(request);
    return JSON.stringify(policyShow(name, sources, contextOf(request, this.#watch.state)).json);
  }

  identity(profile: string): PolicyIdentity {
    const { sources, managed } = this.#watch.state;
    const named = [...sources].map(([name, { text }]) => [name, text]).sort();
    const digest = createHash('sha256')
      .update(JSON.stringify([named, managed ?? null]))
      .digest('hex');
    const source = sources.get(profile);
    return { digest, version: source === undefined ? 0 : parseProfile(source.file, source.text).version };
  }

  smallestChange(record: SessionRecord, request: PlanRequest): Change {
    const { name, sources } = this.#named(request);
    const change = smallestChange(record, name, sources, contextOf(request, this.#watch.state));
    return { yaml: change.yaml, file: change.file, notes: change.note === '' ? [] : [change.note] };
  }

  #changed(): void {
    this.#plans.clear();
    this.#listener(undefined);
  }

  #kept(request: PlanRequest): Plan {
    const { profile, user, uid, home, workspace, mode } = request;
    const key = JSON.stringify([profile, user, uid, home, workspace, mode]);
    const kept = this.#plans.get(key);
    if (kept !== undefined) return kept;
    const plan = this.#compile(request, this.#named(request));
    if (this.#plans.size >= maxPlans) this.#plans.clear();
    this.#plans.set(key, plan);
    return plan;
  }

  /** Read anew each time; never from where the session itself could write it. */
  #ofFile(request: PlanRequest): Plan {
    const plan = this.#compile(request, this.#named(request));
    const real = realpathSync.native(request.profile, { encoding: 'latin1' });
    const below = plan.writable.find((directory) =>
      `${real}/`.startsWith(directory === '/' ? '/' : `${directory}/`),
    );
    if (below === undefined) return plan;
    throw new CordonError(
      'policy-invalid',
      `${request.profile} lies in ${below}, where the session may write`,
      {
        file: request.profile,
        fix: 'keep the profile where the agent cannot change it',
      },
    );
  }

  #compile(request: PlanRequest, { name, sources }: Named): Plan {
    return compile(name, sources, contextOf(request, this.#watch.state));
  }

  #named({ profile, trusted = true }: PlanRequest): Named {
    if (profile.startsWith('/')) {
      if (!trusted)
        throw new CordonError(
          'not-permitted',
          'only administrators run agents under a profile given as a file',
          {
            fix: 'name an installed profile: cordon policy show NAME',
          },
        );
      const name = basename(profile).replace(/\.ya?ml$/, '');
      return { name, sources: new Map([...this.#watch.state.sources, [name, readSource(profile)]]) };
    }
    if (!this.#watch.state.sources.has(profile)) this.#watch.lookFor(profile);
    const { sources } = this.#watch.state;
    if (sources.has(profile)) return { name: profile, sources };
    const broken = messages(this.#watch.problems);
    throw new CordonError('not-found', `there is no profile ${profile}`, {
      fix:
        broken === undefined
          ? `there are ${[...sources.keys()].sort().join(', ')}`
          : `what is on the disk is not in force until it is mended: ${broken}`,
    });
  }
}

function contextOf(request: PlanRequest, { managed }: PolicyState): CompileContext {
  const { home, workspace, user, generation, mode } = request;
  return {
    home,
    workspace,
    tmp,
    user,
    generation,
    ...(mode === undefined ? {} : { mode }),
    ...(managed === undefined ? {} : { managed }),
  };
}

const messages = (problems: readonly CordonError[]): string | undefined =>
  problems.length === 0 ? undefined : problems.map(({ message }) => message).join('; ');
