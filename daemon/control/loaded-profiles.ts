// The daemon's view of policy: profiles as loaded and watched by config, compiled by policy.
import { isAbsolute, basename } from 'node:path';
import { readSource } from '../config/profiles.ts';
import { PolicyWatch } from '../config/policy-watch.ts';
import type { PolicyPlaces, PolicyState } from '../config/profiles.ts';
import { CordonError } from '../model/mod.ts';
import type { BytePath, Mode, Plan, SessionRecord } from '../model/mod.ts';
import { compile, policyShow, smallestChange } from '../policy/mod.ts';
import type { CompileContext, ProfileSources } from '../policy/mod.ts';
import type { Change, PlanRequest, Profiles } from './profiles.ts';

const maxPlans = 256;

export class LoadedProfiles implements Profiles {
  readonly #watch: PolicyWatch;
  #listener: (problem: string | undefined) => void = () => undefined;
  /** Compiled plans by request; forgotten when anything on the disk changed. */
  readonly #plans = new Map<string, Plan>();

  constructor(places: PolicyPlaces) {
    this.#watch = new PolicyWatch(places, {
      changed: () => {
        this.#plans.clear();
        this.#listener(undefined);
      },
      broken: (problems) => this.#listener(problems.map((p) => p.message).join('; ')),
    });
  }

  get state(): PolicyState {
    return this.#watch.state;
  }

  async start(): Promise<void> {
    await this.#watch.start();
  }

  plan(request: PlanRequest): Plan {
    const key = JSON.stringify({ ...request, generation: 0 });
    const known = isAbsolute(request.profile) ? undefined : this.#plans.get(key);
    const plan = known ?? this.#compile(request);
    if (this.#plans.size >= maxPlans) this.#plans.clear();
    this.#plans.set(key, plan);
    return { ...plan, capabilitySet: { ...plan.capabilitySet, generation: request.generation } };
  }

  #compile(request: PlanRequest): Plan {
    const { name, sources } = this.#sources(request);
    return compile(name, sources, this.#context(request));
  }

  ownMode(request: PlanRequest): Mode {
    const own: PlanRequest = { ...request };
    delete (own as { mode?: Mode }).mode;
    return this.plan(own).capabilitySet.mode;
  }

  show(request: PlanRequest): string {
    const { name, sources } = this.#sources(request);
    return JSON.stringify(policyShow(name, sources, this.#context(request)).json);
  }

  smallestChange(record: SessionRecord, request: PlanRequest): Change {
    const { name, sources } = this.#sources(request);
    const { yaml, file, note } = smallestChange(record, name, sources, this.#context(request));
    return { yaml, file, notes: note === '' ? [] : [note] };
  }

  onReload(listener: (problem: string | undefined) => void): void {
    this.#listener = listener;
  }

  close(): void {
    void this.#watch.close();
  }

  /** A profile by name, or a file by absolute path: the latter only root's, read anew each time. */
  #sources({ profile, reader }: PlanRequest): { name: string; sources: ProfileSources } {
    const { sources } = this.#watch.state;
    if (!isAbsolute(profile)) {
      if (!sources.has(profile))
        throw new CordonError('not-found', `there is no profile ${profile}`, {
          fix: `known profiles: ${[...sources.keys()].sort().join(', ')}`,
        });
      return { name: profile, sources };
    }
    if (reader !== undefined && reader !== 0)
      throw new CordonError(
        'not-permitted',
        'only administrators run agents under a profile given as a file',
        {
          fix: 'name an installed profile: cordon policy show NAME',
        },
      );
    const name = basename(profile, '.yaml');
    return { name, sources: new Map([...sources, [name, readSource(profile)]]) };
  }

  #context(request: PlanRequest): CompileContext {
    const { managed } = this.#watch.state;
    return {
      home: request.home,
      workspace: request.workspace,
      tmp: '/tmp' as BytePath,
      user: request.user,
      generation: request.generation,
      ...(request.mode === undefined ? {} : { mode: request.mode }),
      ...(managed === undefined ? {} : { managed }),
    };
  }
}
