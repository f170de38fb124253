// The policy room: profiles → effective policy → inert plan. Pure: it is given texts and gives values.
export { compile, compileEffective, defaultDenyRule } from './compile.ts';
export { effectivePolicy } from './effective.ts';
export type { EffectivePolicy } from './effective.ts';
export { parseManaged } from './managed.ts';
export type { ManagedSettings } from './managed.ts';
export { parseProfile } from './profile.ts';
export type { AuthoredRule, Profile } from './profile.ts';
export { protectionId, protectionOf, protections } from './protected.ts';
export type { Protection } from './protected.ts';
export type { CompileContext, Place, ProfileSource, ProfileSources } from './source.ts';
export { policyCheck } from './check.ts';
export type { Checked } from './check.ts';
export { policyShow } from './show.ts';
export type { Shown, ShownPolicy, ShownRule } from './show.ts';
export { smallestChange } from './smallest-change.ts';
export type { SmallestChange } from './smallest-change.ts';
export { policyTest } from './table-test.ts';
export type { TestReport, TestResult } from './table-test.ts';
