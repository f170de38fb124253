// One name for one policy: SHA-256 over JSON with sorted keys. Neither the generation nor the place of files on the
// disk is part of it.
import { createHash } from 'node:crypto';
import type { Plan } from '../model/mod.ts';

export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonicalJson(each)}`).join(',')}}`;
}

export function digestOf(plan: Plan): string {
  const { capabilitySet: set, ...rest } = plan;
  const rules = set.rules.map(({ id, because, never }) => ({ id, because, never }));
  return createHash('sha256')
    .update(canonicalJson({ ...rest, capabilitySet: { ...set, rules, generation: 0, policyDigest: '' } }))
    .digest('hex');
}
