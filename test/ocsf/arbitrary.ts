// Records of any content: what a journal may hold when hostile programs chose the names, and what is no record at all.
import fc from 'fast-check';
import type { ProcessInfo, RecordKind, SessionRecord } from '../../daemon/model/mod.ts';
import { toText } from '../../daemon/model/mod.ts';

const kinds: readonly RecordKind[] = [
  ...(['session', 'file', 'exec', 'connect', 'name', 'http', 'socket', 'syscall', 'tool', 'admin'] as const),
  ...(['token', 'approval', 'finding', 'log'] as const),
];
const operations = [
  ...[
    'read',
    'write',
    'rename',
    'link',
    'exec',
    'image',
    'connect',
    'close',
    'bind',
    'request',
    'call',
    'ask',
  ],
  ...['kill', 'policy', 'journal-hole', 'gap', 'revoke', 'approve', 'dlp', ''],
];

/** Text that is well formed: as `toText` makes of any bytes, and as anybody writes. */
export const name: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => toText(Buffer.from(bytes).toString('latin1'))),
  fc.constantFrom('', '/', '/a/b', 'a:1', '[::1]:443', 'GET http://a:80/x', 'udp 1.2.3.4:53', '1.2.3.4'),
);
const count = fc.oneof(fc.nat(), fc.maxSafeNat());

const present = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });

const process = fc
  .record({ pid: count, ppid: maybe(count), exe: maybe(name), comm: maybe(name) })
  .map((value) => present(value) as ProcessInfo);

const fact = fc.oneof(name, fc.boolean(), count, fc.array(name, { maxLength: 6 }));
const factNames = [
  ...['argv', 'sha256', 'first', 'last', 'up', 'down', 'flow', 'type', 'actor', 'uid', 'callId', 'arguments'],
  ...['result', 'privileges', 'class', 'a', 'é', '10', '9'],
];
const detail = fc.dictionary(fc.constantFrom(...factNames), fact, { maxKeys: 8, noNullPrototype: true });

const plain = { noNullPrototype: true };
const source = fc.record({ file: name, line: count, key: name }, plain);
const plainRule = fc.record({ id: name, source }, plain);

/** Whole records: events say all of them. */
export const record: fc.Arbitrary<SessionRecord> = fc
  .record({
    id: name,
    session: name,
    seq: count,
    time: fc.double({ min: 0, max: 4e12, noNaN: true }).map((time) => time + 0),
    kind: fc.constantFrom(...kinds),
    operation: fc.oneof(fc.constantFrom(...operations), name),
    object: name,
    object2: maybe(name),
    disposition: fc.constantFrom('allowed', 'denied', 'would-deny', 'observed'),
    mode: fc.constantFrom('enforce', 'monitor', 'dry-run'),
    generation: count,
    layer: fc.constantFrom('decision', 'fanotify', 'journal', 'daemon'),
    rule: maybe(plainRule),
    reason: name,
    outcome: maybe(fc.constantFrom('0', 'ENOENT', 'KILLED')),
    process: maybe(process),
    tree: maybe(fc.array(process, { maxLength: 4 })),
    count: maybe(count),
    detail: maybe(detail),
  })
  .map((value) => present(value) as SessionRecord);

const long = fc.oneof(
  fc.string({ unit: fc.constantFrom('\ud800', 'a', '\udfff', '\u{1f600}'), maxLength: 12 }),
  fc.integer({ min: 1, max: 5 }).map((times) => 'x\ud83d'.repeat(times * 5000)),
);

/** The same fields with values of any type, any length and any text. */
export const hostile: fc.Arbitrary<SessionRecord> = fc
  .tuple(
    record,
    fc.dictionary(
      fc.constantFrom(
        ...[
          'id',
          'session',
          'seq',
          'time',
          'kind',
          'operation',
          'object',
          'object2',
          'disposition',
          'mode',
          'layer',
        ],
        ...['generation', 'rule', 'reason', 'outcome', 'process', 'tree', 'count', 'detail'],
      ),
      fc.oneof(
        fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }),
        long,
        fc.array(long, { maxLength: 12 }),
        fc.dictionary(long, fc.oneof(long, fc.array(long, { maxLength: 12 }))),
        fc.constantFrom(NaN, Infinity, -0, 1e300, 2 ** 60),
      ),
    ),
  )
  .map(([whole, spoilt]) => ({ ...whole, ...spoilt }));
