// Whether an entry says what a record of a journal said. The log has records redacted, the journal has them whole: what
// policy said at that time is not known any more, so that any policy that makes the one of the other will do.
import { isDeepStrictEqual } from 'node:util';
import { keepAll } from '../../model/mod.ts';
import type { RedactionPolicy, SessionRecord, Treatment } from '../../model/mod.ts';
import { eventText, recordOf, redact, sealedValues, valueSealer } from '../../ocsf/mod.ts';
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

const treatmentsOf = (seals: boolean): readonly Treatment[] =>
  seals ? ['keep', 'hash', 'drop', 'seal'] : ['keep', 'hash', 'drop'];
const policiesOf = (treatments: readonly Treatment[]): readonly RedactionPolicy[] =>
  treatments.flatMap((given) =>
    treatments.flatMap((paths) => treatments.map((content) => ({ arguments: given, paths, content }))),
  );
const policies = { plain: policiesOf(treatmentsOf(false)), sealed: policiesOf(treatmentsOf(true)) };

/** What is sealed is not opened here: that something of this length is sealed must do. */
const anySeal = valueSealer(Buffer.alloc(32));
const noKey = Buffer.alloc(0);

/** Without what differs though the values are the same: nonces, and hashes by a key that is not here. */
function comparable(event: string, key: Uint8Array | undefined): string {
  const unsealed = event.replace(sealedValues, ({ length }) => `[sealed ${length}]`);
  return key === undefined ? unsealed.replace(/hmac-sha256:[0-9a-f]{64}/g, '[hashed]') : unsealed;
}

/** As it comes back from an event. */
const said = (record: SessionRecord, policy: RedactionPolicy, key: Uint8Array | undefined): SessionRecord =>
  recordOf(comparable(eventText(redact(record, policy, key ?? noKey, anySeal), anywhere, 'record'), key));

/** Names of the fields that differ; undefined: it is the same. `key`: of the host's redaction, when it is here. */
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
  const kept = recordOf(comparable(event, key));
  const plain = differing(kept, said(record, keepAll, key));
  if (plain.length === 0) return undefined;
  const possible = event.includes('sealed:') ? policies.sealed : policies.plain;
  const found = possible.some((policy) => differing(kept, said(record, policy, key)).length === 0);
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
