// The receiver that stands in for a collector: it takes what the uploader sends, and refuses what a strict one refuses.
import protobuf from 'protobufjs';
import t from 'tap';
import { encodeLogs } from '../../daemon/uploader/otlp/encode.ts';
import { fakeLog, origin } from '../support/fake-log.ts';
import { decodeRequest, requestType } from '../support/otlp/decode.ts';

type Tree = Record<string, unknown>;

function sent(): Uint8Array {
  const log = fakeLog();
  log.add(3);
  log.sign();
  const { size, note } = log.checkpoint()!;
  return encodeLogs({ origin, version: '1' }, log.all, { size, note }, 1_700_000_000_000);
}

/** The request with something done to it. */
function altered(change: (request: Tree) => void): Uint8Array {
  const tree = requestType.toObject(requestType.decode(sent()), { longs: String });
  change(tree);
  return requestType.encode(requestType.fromObject(tree)).finish();
}

const logs = (request: Tree): Tree => (request['resource_logs'] as Tree[])[0]!;
const scoped = (request: Tree): Tree => (logs(request)['scope_logs'] as Tree[])[0]!;
const record = (request: Tree): Tree => (scoped(request)['log_records'] as Tree[])[0]!;
const twice = (list: unknown): void => void (list as unknown[]).push((list as unknown[])[0]);

const missing: readonly (readonly [string, (request: Tree) => void, RegExp])[] = [
  ['no resource', (r) => delete logs(r)['resource'], /resource is missing/],
  ['two resources', (r) => twice(r['resource_logs']), /one resource/],
  ['a resource without a service', (r) => (logs(r)['resource'] = {}), /service\.name/],
  ['no scope', (r) => delete scoped(r)['scope'], /scope is missing/],
  ['two scopes', (r) => twice(logs(r)['scope_logs']), /one scope/],
  ['no time', (r) => delete record(r)['time_unix_nano'], /time_unix_nano is missing/],
  ['no observed time', (r) => delete record(r)['observed_time_unix_nano'], /observed_time_unix_nano/],
  ['no severity', (r) => delete record(r)['severity_number'], /severity_number is missing/],
  ['no body', (r) => delete record(r)['body'], /body is missing/],
  ['an empty body', (r) => (record(r)['body'] = {}), /body is empty/],
  ['an attribute twice', (r) => twice(record(r)['attributes']), /twice/],
  ['attributes that were dropped', (r) => (record(r)['dropped_attributes_count'] = 1), /dropped/],
];

for (const [what, change, expected] of missing)
  t.test(`a request with ${what} is refused`, async (t) => {
    t.throws(() => decodeRequest(altered(change)), expected);
  });

/** A request of one log record with these bytes in it. */
function withRecord(fill: (writer: protobuf.Writer) => void): Uint8Array {
  const writer = protobuf.Writer.create();
  const inner = writer.uint32(10).fork().uint32(18).fork().uint32(18).fork();
  fill(inner);
  return inner.ldelim().ldelim().ldelim().finish();
}

const strange: readonly (readonly [string, (writer: protobuf.Writer) => void, RegExp])[] = [
  ['a field that is not published', (w) => w.uint32(13 << 3).uint32(1), /no field 13/],
  ['a field that was given up', (w) => w.uint32((4 << 3) | 2).string('name'), /no field 4/],
  ['a time as a varint', (w) => w.uint32(1 << 3).uint32(1), /wire type 0, not 1/],
  ['a severity of 25', (w) => w.uint32(2 << 3).int32(25), /no value 25/],
  ['a severity twice', (w) => w.uint32(16).int32(9).uint32(16).int32(9), /said twice/],
  [
    'a body that is two things',
    (w) => w.uint32(42).fork().uint32(10).string('a').uint32(16).bool(true).ldelim(),
    /said twice/,
  ],
  ['a name that is no UTF-8', (w) => w.uint32(98).bytes(Buffer.from('ff', 'hex')), /not valid/],
];

for (const [what, fill, expected] of strange)
  t.test(`a record with ${what} is refused`, async (t) => {
    t.throws(() => decodeRequest(withRecord(fill)), expected);
  });

t.test('what the uploader makes is taken, and one that was cut off is not', async (t) => {
  const whole = sent();
  t.equal(decodeRequest(whole).records.length, 4);
  for (let length = 1; length < whole.length; length += 7)
    t.throws(() => decodeRequest(whole.subarray(0, length)));
});
