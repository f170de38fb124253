// The effective policy for people and for programs: what holds, and where each rule was written.
import { fillBytes, valuesOf } from './pattern.ts';
import { effectivePolicy } from './effective.ts';
import type { EffectivePolicy } from './effective.ts';
import { compileEffective } from './compile.ts';
import type { AuthoredRule } from './profile.ts';
import { sections } from './profile.ts';
import { protectionId } from './protected.ts';
import { toText } from '../model/mod.ts';
import type { Plan, TokenDemand, TokenPolicy, Upstream } from '../model/mod.ts';
import type { CompileContext, ProfileSources } from './source.ts';
import { upstreamText } from './upstream.ts';

export interface ShownRule {
  readonly id: string;
  readonly section: string;
  readonly effect: 'allow' | 'ask' | 'deny' | 'never';
  readonly access?: readonly string[];
  readonly objects: readonly string[];
  readonly label?: string;
  readonly token?: TokenDemand;
  readonly upstream?: Upstream;
  readonly because?: string;
  readonly file: string;
  readonly line: number;
}

export interface ShownPolicy {
  readonly profile: string;
  readonly version: number;
  readonly lineage: readonly string[];
  readonly digest: string;
  readonly mode: string;
  readonly managed?: string;
  readonly rules: readonly ShownRule[];
  readonly protected: readonly {
    readonly name: string;
    readonly what: string;
    readonly objects: readonly string[];
  }[];
  readonly writable: readonly string[];
  readonly masks: readonly string[];
  readonly environment: Plan['environment'];
  readonly limits: Plan['limits'];
  readonly mayLack: readonly string[];
  readonly tokens?: Omit<TokenPolicy, 'rule'>;
}

export interface Shown {
  readonly json: ShownPolicy;
  readonly text: string;
}

/** The policy a session of this profile and context would run under. */
export function policyShow(name: string, sources: ProfileSources, context: CompileContext): Shown {
  const policy = effectivePolicy(name, sources, context.managed, context.mode);
  const plan = compileEffective(policy, context);
  const json = describe(policy, plan, context);
  return { json, text: render(json) };
}

function describe(policy: EffectivePolicy, plan: Plan, context: CompileContext): ShownPolicy {
  const values = valuesOf(context);
  const fill = (pattern: string): string => toText(fillBytes(pattern, values));
  return {
    profile: policy.profile.name,
    version: policy.profile.version,
    lineage: policy.lineage,
    digest: plan.capabilitySet.policyDigest,
    mode: policy.mode,
    ...(context.managed ? { managed: context.managed.file } : {}),
    rules: policy.rules.map((rule) => shownRule(rule, fill)),
    protected: policy.protections.map(({ name, what, paths }) => ({ name, what, objects: paths.map(fill) })),
    writable: plan.writable.map(toText),
    masks: plan.masks.map(toText),
    environment: plan.environment,
    limits: plan.limits,
    mayLack: plan.mayLack,
    ...shownTokens(plan.capabilitySet.tokens),
  };
}

function shownTokens(policy: TokenPolicy | undefined): Pick<ShownPolicy, 'tokens'> {
  if (policy === undefined) return {};
  const { attestation, attestedWithin, lifetime, audiences, tools, rows } = policy;
  const within = attestedWithin === undefined ? {} : { attestedWithin };
  return { tokens: { attestation, ...within, lifetime, audiences, tools, rows } };
}

function shownRule(rule: AuthoredRule, fill: (pattern: string) => string): ShownRule {
  return {
    id: rule.id,
    section: rule.section,
    effect: rule.never ? 'never' : rule.effect,
    ...(rule.section === 'files' ? { access: rule.access } : {}),
    objects: rule.section === 'network' ? rule.patterns : rule.patterns.map(fill),
    ...(rule.label === undefined ? {} : { label: rule.label }),
    ...(rule.token === undefined ? {} : { token: rule.token }),
    ...(rule.upstream === undefined ? {} : { upstream: rule.upstream }),
    ...(rule.because === undefined ? {} : { because: rule.because }),
    file: rule.place.file,
    line: rule.place.line,
  };
}

function render(policy: ShownPolicy): string {
  const head = [
    `profile ${policy.profile} version ${policy.version}, mode ${policy.mode}`,
    `inherits ${policy.lineage.slice(0, -1).join(', ') || 'nothing'}`,
    `managed settings ${policy.managed ?? 'none'}`,
    `digest ${policy.digest}`,
  ];
  const body = sections.flatMap((section) => ['', `${section}:`, ...rows(policy, section)]);
  return [
    ...head,
    ...body,
    '',
    'protected (granted by name only):',
    ...guards(policy),
    '',
    ...tail(policy),
    '',
  ].join('\n');
}

function rows(policy: ShownPolicy, section: string): string[] {
  const found = policy.rules.filter((rule) => rule.section === section);
  if (found.length === 0) return ['  nothing is granted'];
  return found.flatMap((rule) => {
    const effect = `${rule.effect} ${rule.access?.join(',') ?? ''}`.trim().padEnd(24);
    const token = rule.token && `${rule.token.type} token for ${rule.token.audience}`;
    const upstream = rule.upstream && upstreamText(rule.upstream);
    const why = [rule.label && `label ${rule.label}`, token, upstream, rule.because]
      .filter(Boolean)
      .join('; ');
    const source = rule.line > 0 ? `${rule.file}:${rule.line}` : rule.id;
    return [
      `  ${effect} ${source}${why === '' ? '' : ` (${why})`}`,
      ...rule.objects.map((each) => `      ${each}`),
    ];
  });
}

const guards = (policy: ShownPolicy): string[] =>
  policy.protected.map(({ name, what }) => `  ${protectionId(name).padEnd(38)} ${what}`);

function tail(policy: ShownPolicy): string[] {
  const { limits, environment, tokens } = policy;
  const cpu = limits.cpuPercent === 0 ? 'no limit' : `${limits.cpuPercent}%`;
  const wall = limits.wall === 0 ? 'no limit' : `${limits.wall}s`;
  return [
    `mutations are possible below: ${policy.writable.join(' ') || 'nowhere'}`,
    `environment: ${[...environment.pass, ...Object.entries(environment.set).map(([k, v]) => `${k}=${v}`)].join(' ') || 'nothing'}`,
    `limits: ${limits.processes} processes, ${Math.round(limits.memory / 2 ** 20)} MiB, cpu ${cpu}, wall ${wall}`,
    tokens === undefined
      ? 'tokens: none'
      : `tokens: for ${tokens.audiences.join(', ') || 'nobody'}, ${tokens.lifetime}s, attestation ${tokens.attestation}`,
    `layers that may be missing: ${policy.mayLack.join(' ') || 'none'}`,
  ];
}
