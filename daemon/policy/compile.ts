// Effective policy and session → the inert plan. No I/O: what exists on the disk does not matter here.
import type {
  BytePath,
  CapabilitySet,
  FileRule,
  NetworkRule,
  Plan,
  RuleInfo,
  SocketRule,
  TokenPolicy,
} from '../model/mod.ts';
import { toText } from '../model/mod.ts';
import { writeCeiling, masksOf } from './ceiling.ts';
import { digestOf } from './digest.ts';
import { effectivePolicy } from './effective.ts';
import type { EffectivePolicy } from './effective.ts';
import { fillBytes, otherSpelling, splitPattern, valuesOf } from './pattern.ts';
import type { SplitPattern } from './pattern.ts';
import type { AuthoredRule } from './profile.ts';
import { protectionId } from './protected.ts';
import type { Protection } from './protected.ts';
import { invalid } from './source.ts';
import type { CompileContext, ProfileSources } from './source.ts';
import type { TokenGrants } from './tokens.ts';

const builtin = (id: string, because: string): RuleInfo => ({
  id,
  source: { file: 'builtin', line: 0, key: id.slice('builtin/'.length) },
  because,
  never: false,
});

export const defaultDenyRule = builtin('builtin/default-deny', 'what no rule grants is denied');

/** A file rule with what the author said about its kind. */
export interface CompiledFileRule extends FileRule {
  readonly directory: boolean;
}

class Compiler {
  readonly rules: RuleInfo[] = [defaultDenyRule];
  readonly files: CompiledFileRule[] = [];
  readonly exec: FileRule[] = [];
  readonly network: NetworkRule[] = [];
  readonly sockets: SocketRule[] = [];
  readonly #values: ReadonlyMap<string, string>;
  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  protect(protection: Protection): void {
    const id = protectionId(protection.name);
    const because = `${protection.what} could run code outside the sandbox; a profile may grant ${protection.name} by name`;
    const deny = this.#rule(builtin(id, because));
    for (const path of protection.paths) this.#guard(deny, 'deny', path);
    if (!protection.except) return;
    const lift = this.#rule(builtin(`${id}/except`, 'harmless beside what is protected'));
    for (const path of protection.except) this.#guard(lift, 'allow', path);
  }

  /** The rule that speaks when a token is refused. */
  grantTokens(profile: string, { place, ...grants }: TokenGrants): TokenPolicy {
    const info: RuleInfo = { id: `${profile}/tokens`, source: place, never: false };
    return { rule: this.#rule(info), ...grants };
  }

  #guard(rule: number, effect: 'allow' | 'deny', path: string): void {
    this.files.push({
      rule,
      effect,
      access: ['write'],
      ...splitPattern(path, this.#values),
      protective: true,
    });
  }

  add(authored: AuthoredRule): void {
    const { id, place, because, never, effect } = authored;
    const rule = this.#rule({ id, source: place, ...(because === undefined ? {} : { because }), never });
    switch (authored.section) {
      case 'files':
        for (const split of this.#split(authored)) this.files.push(fileRule(rule, authored, split));
        return;
      case 'exec':
        for (const { base, glob } of this.#split(authored))
          this.exec.push({ rule, effect, access: ['exec'], base, glob });
        return;
      case 'sockets':
        for (const { base, glob } of this.#split(authored)) this.sockets.push({ rule, effect, base, glob });
        return;
      case 'network':
        for (const { host, port } of authored.destinations)
          this.network.push({
            rule,
            effect,
            host,
            port,
            ...(authored.token ? { token: authored.token } : {}),
            ...(authored.upstream ? { upstream: authored.upstream } : {}),
          });
    }
  }

  #split(authored: AuthoredRule): SplitPattern[] {
    return authored.patterns.flatMap((pattern) => {
      const split = splitPattern(pattern, this.#values);
      const other = authored.effect === 'allow' ? undefined : otherSpelling(split);
      return other ? [split, other] : [split];
    });
  }

  #rule(info: RuleInfo): number {
    return this.rules.push(info) - 1;
  }
}

function fileRule(rule: number, authored: AuthoredRule, split: SplitPattern): CompiledFileRule {
  const { effect, access, label } = authored;
  return {
    rule,
    effect,
    access,
    ...split,
    ...(label === undefined ? {} : { label }),
  };
}

/** The plan of a session under `name`. Throws CordonError('policy-invalid') and changes nothing when it cannot. */
export function compile(name: string, sources: ProfileSources, context: CompileContext): Plan {
  return compileEffective(effectivePolicy(name, sources, context.managed, context.mode), context);
}

export function compileEffective(policy: EffectivePolicy, context: CompileContext): Plan {
  refuseRoot(context.workspace);
  const values = valuesOf(context);
  const compiler = new Compiler(values);
  for (const protection of policy.protections) compiler.protect(protection);
  for (const rule of policy.rules) compiler.add(rule);
  const set = Object.entries(policy.set).map(
    ([name, value]) => [name, toText(fillBytes(value, values))] as const,
  );
  const plan: Plan = {
    capabilitySet: capabilitySet(compiler, policy, context),
    writable: writeCeiling(compiler.files),
    masks: masksOf(compiler.files, compiler.rules),
    // In monitor mode what no rule grants is let through too.
    network: policy.mode === 'monitor' || compiler.network.some((rule) => rule.effect !== 'deny'),
    environment: { pass: policy.pass, set: Object.fromEntries(set) },
    limits: policy.limits,
    mayLack: policy.mayLack,
    ...(policy.attestation === 'none' ? {} : { attestation: policy.attestation }),
  };
  return { ...plan, capabilitySet: { ...plan.capabilitySet, policyDigest: digestOf(plan) } };
}

function capabilitySet(compiler: Compiler, policy: EffectivePolicy, context: CompileContext): CapabilitySet {
  const { name, version } = policy.profile;
  return {
    generation: context.generation,
    mode: policy.mode,
    policyDigest: '',
    profile: { name, version },
    rules: compiler.rules,
    files: compiler.files.map(inert),
    exec: compiler.exec,
    network: compiler.network,
    sockets: compiler.sockets,
    ...(policy.tokens === undefined ? {} : { tokens: compiler.grantTokens(name, policy.tokens) }),
  };
}

/** Without what is for the ceiling only. */
function inert({ rule, effect, access, base, glob, label, protective }: CompiledFileRule): FileRule {
  const more = {
    ...(label === undefined ? {} : { label }),
    ...(protective === undefined ? {} : { protective }),
  };
  return { rule, effect, access, base, glob, ...more };
}

function refuseRoot(workspace: BytePath): void {
  if (workspace !== '/') return;
  throw invalid(
    { file: 'session', line: 0, key: 'workspace' },
    'the workspace is /',
    'start the session in a project directory',
  );
}
