// Whether an entry says what a record of a journal said. The log has records redacted, the journal has them whole: what
// policy said at that time is not known any more, so that any policy that makes the one of the other will do.
import { isDeepStrictEqual } from 'node:util';
import { keepAll } from '../../model/mod.ts';
import type { RedactionPolicy, SessionRecord, Treatment } from '../../model/mod.ts';
import { eventText, recordOf, redact } from '../../ocsf/mod.ts';
import type { EventContext } from '../../ocsf/mod.ts';

/** What surrounds a record in an event does not matter here. */
const anywhere: EventContext = {
  host: {
    hostname: '',
    uid: '',
    os: { name: '', version: '', kernel: '' },
    bootId: '',
    product: { version: '' },
  },
};

const treatments: readonly Treatment[] = ['keep', 'hash', 'drop'];
const policies: readonly RedactionPolicy[] = treatments.flatMap((given) =>
  treatments.flatMap((paths) => treatments.map((content) => ({ arguments: given, paths, content }))),
);
const hashes = (policy: RedactionPolicy): boolean => Object.values(policy).includes('hash');

/** As it comes back from an event. */
const said = (record: SessionRecord, policy: RedactionPolicy, key: Uint8Array): SessionRecord =>
  recordOf(eventText(redact(record, policy, key), anywhere, 'record'));

/** Names of the fields that differ; undefined: it is the same. `key`: of the host's redaction, when there is one. */
export function sameRecord(
  record: SessionRecord,
  event: string,
  key: Uint8Array | undefined,
): string | undefined {
  let entry: SessionRecord;
  try {
    entry = recordOf(event);
  } catch {
    return 'everything: the entry is no event';
  }
  // Nothing was redacted, as of most.
  if (isDeepStrictEqual(entry, record)) return undefined;
  const plain = differing(entry, said(record, keepAll, Buffer.alloc(0)));
  if (plain.length === 0) return undefined;
  const possible = policies.filter((policy) => key !== undefined || !hashes(policy));
  const found = possible.some(
    (policy) => differing(entry, said(record, policy, key ?? Buffer.alloc(0))).length === 0,
  );
  return found ? undefined : plain.join(', ');
}

function differing(a: SessionRecord, b: SessionRecord): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as ReadonlySet<keyof SessionRecord>;
  return [...names].filter((name) => canonicalOf(a[name]) !== canonicalOf(b[name]));
}

/** Members in the order of their names. */
const canonicalOf = (value: unknown): string =>
  JSON.stringify([value], (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([x], [y]) => (x < y ? -1 : 1)))
      : inner,
  );
