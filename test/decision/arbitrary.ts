// Small alphabets, so that rules and names collide often.
import fc from 'fast-check';
import type { CapabilitySet, Effect, FileAccess, FileRule, NetworkRule } from '../../daemon/model/mod.ts';

const name = fc.constantFrom('a', 'b', 'ab', 'c', '.e');
const part = fc.oneof(
  { weight: 5, arbitrary: name },
  { weight: 3, arbitrary: fc.constantFrom('*', 'a*', '*b', '?', 'a*b', '**') },
);

export const path = fc.array(name, { maxLength: 6 }).map((parts) => `/${parts.join('/')}`);

const effect = fc.constantFrom<Effect>('allow', 'deny', 'ask');
const access = fc.uniqueArray(fc.constantFrom<FileAccess>('read', 'write', 'exec'), { minLength: 1 });

export interface Draft {
  readonly effect: Effect;
  readonly never: boolean;
  readonly protective: boolean;
  readonly access: FileAccess[];
  readonly base: string;
  readonly glob: string;
  readonly label: string | undefined;
}

export const draft: fc.Arbitrary<Draft> = fc
  .record({
    kind: fc.constantFrom('never', 'protective', 'ordinary', 'ordinary', 'ordinary'),
    effect,
    access,
    base: fc.array(name, { maxLength: 3 }).map((parts) => `/${parts.join('/')}`),
    glob: fc
      .tuple(fc.array(part, { maxLength: 3 }), fc.constantFrom('', '', '', '.'))
      .map(([parts, alone]) => [...parts, ...(alone ? [alone] : [])].join('/')),
    label: fc.constantFrom(undefined, undefined, undefined, 'secret'),
  })
  .map(({ kind, ...rest }) => ({
    ...rest,
    never: kind === 'never',
    protective: kind === 'protective',
    effect: kind === 'never' ? ('deny' as const) : rest.effect,
  }));

const source = { file: 'test.yaml', line: 1, key: 'files[0]' };

export function setOf(
  files: readonly Draft[],
  network: readonly (Omit<NetworkRule, 'rule'> & { never?: boolean })[] = [],
  exec: readonly Draft[] = [],
): CapabilitySet {
  const all = [...files, ...exec, ...network];
  const rule = (draft: Draft, i: number): FileRule => ({
    rule: i + 1,
    effect: draft.effect,
    access: draft.access,
    base: draft.base,
    glob: draft.glob,
    protective: draft.protective,
    ...(draft.label === undefined ? {} : { label: draft.label }),
  });
  return {
    generation: 1,
    mode: 'enforce',
    policyDigest: '',
    profile: { name: 'test', version: 1 },
    rules: [
      { id: 'builtin/default-deny', source, never: false },
      ...all.map((each, i) => ({ id: `test/${i + 1}`, source, never: each.never === true })),
    ],
    files: files.map(rule),
    exec: exec.map((draft, i) => rule(draft, files.length + i)),
    network: network.map(({ effect, host, port }, i) => ({
      rule: files.length + exec.length + i + 1,
      effect,
      host,
      port,
    })),
    sockets: [],
  };
}
