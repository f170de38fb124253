// Records that come over the link of egress, which reads what strangers send.
import t from 'tap';
import fc from 'fast-check';
import { egressRecord } from '../../daemon/session/egress-record.ts';

const record = {
  kind: 'http',
  operation: 'request',
  object: 'GET http://a.example/x',
  object2: '192.0.2.1',
  disposition: 'allowed',
  layer: 'egress',
  reason: 'granted',
  generation: 3,
  outcome: '0',
  count: 2,
  rule: { id: 'net[0]', source: { file: '/p.yaml', line: 3, key: 'network[0]' } },
  process: { pid: 7, exe: '/usr/bin/curl' },
  detail: { flow: 's-1', up: 1, down: 2.5, kept: true, alpn: ['h2', 'http/1.1'] },
};

t.test('what egress can have seen is taken as it is', async (t) => {
  t.strictSame(egressRecord(record), record);
  const { kind, operation, object, disposition, layer, reason } = record;
  const least = { kind, operation, object, disposition, layer, reason };
  t.strictSame(egressRecord(least), least);
});

const wrong: readonly (readonly [string, unknown])[] = [
  ['kind', 'admin'],
  ['kind', 'exec'],
  ['operation', 1],
  ['disposition', 'approved'],
  ['layer', 'daemon'],
  ['layer', undefined],
  ['generation', -1],
  ['generation', '3'],
  ['count', 1e300],
  ['rule', { id: 'x' }],
  ['rule', { id: 'x', source: { file: 1, line: 0, key: '' } }],
  ['process', { pid: '7', exe: '' }],
  ['detail', [1]],
  ['detail', { a: { b: 1 } }],
  ['detail', { a: [{ b: 1 }] }],
  ['detail', Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`n${i}`, i]))],
];

t.test('what it cannot have made is refused', async (t) => {
  for (const [name, value] of wrong)
    t.equal(egressRecord({ ...record, [name]: value }), undefined, `${name} ${JSON.stringify(value)}`);
  for (const value of [null, 1, 'x', [], [record]]) t.equal(egressRecord(value), undefined);
});

t.test('members that no record has are left out, and texts are cut', async (t) => {
  const got = egressRecord({
    ...record,
    seq: 1,
    session: 'other',
    mode: 'monitor',
    tree: [{}],
    object: 'x'.repeat(1e6),
  });
  t.strictSame(Object.keys(got ?? {}).sort(), Object.keys(record).sort());
  t.equal(got?.object.length, 16 * 1024);
});

t.test('of anything at all, either a record of the few kinds with bounded texts or nothing', async (t) => {
  const any = fc.anything({ maxDepth: 3 });
  const texts = fc.string({ minLength: 1, maxLength: 40 }).map((text) => text.repeat(1000));
  const close = fc
    .record({ name: fc.constantFrom(...Object.keys(record)), value: fc.oneof(any, texts) })
    .map(({ name, value }) => ({ ...record, [name]: value }));
  fc.assert(
    fc.property(fc.oneof(any, close), (value) => {
      const got = egressRecord(value);
      if (got === undefined) return true;
      const { kind, layer, disposition, operation, object, object2 = '', outcome = '', reason } = got;
      return (
        ['connect', 'name', 'http'].includes(kind) &&
        ['egress', 'resolver'].includes(layer) &&
        ['allowed', 'denied', 'would-deny', 'observed'].includes(disposition) &&
        [operation, object, object2, outcome, reason].every((text) => text.length <= 16 * 1024)
      );
    }),
  );
  t.pass();
});
