import t from 'tap';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { keepAll } from '../../daemon/model/mod.ts';
import type { RedactionPolicy } from '../../daemon/model/mod.ts';
import {
  eventText,
  isSealed,
  recordOf,
  redact,
  revealed,
  termsOf,
  termsOfFilter,
  valueOpener,
  valueSealer,
} from '../../daemon/ocsf/mod.ts';
import { maxSealedText } from '../../daemon/ocsf/sealed-value.ts';
import { xaesOpen, xaesSeal, xaesSealer } from '../../daemon/ocsf/xaes.ts';
import { sampleRecord } from '../support/records.ts';
import { record } from './arbitrary.ts';
import { inSession } from './samples.ts';
import { violations } from './validate.ts';

const key = Buffer.alloc(32, 7);
const hashKey = Buffer.alloc(32, 8);
const seal = valueSealer(key);
const open = valueOpener([key]);
const sealAll: RedactionPolicy = { arguments: 'seal', paths: 'seal', content: 'seal' };

t.test('XAES-256-GCM is that of the C2SP specification', async (t) => {
  const nonce = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWX');
  const plain = Buffer.from('XAES-256-GCM');
  const vectors = [
    [1, '', 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271'],
    [3, 'c2sp.org/XAES-256-GCM', '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d'],
  ] as const;
  for (const [byte, about, expected] of vectors) {
    const under = Buffer.alloc(32, byte);
    const sealed = xaesSeal(under, nonce, plain, Buffer.from(about));
    t.equal(sealed.toString('hex'), expected);
    t.strictSame(xaesOpen(under, nonce, sealed, Buffer.from(about)), plain);
  }
});

t.test('no nonce comes twice, and a new beginning is drawn before the counter could', async (t) => {
  const sealer = xaesSealer(key, 3);
  const nonces = Array.from({ length: 12 }, () =>
    sealer(Buffer.alloc(1), Buffer.alloc(0)).subarray(0, 24).toString('hex'),
  );
  t.equal(new Set(nonces).size, 12);
  t.equal(new Set(nonces.map((nonce) => nonce.slice(0, 24))).size, 4, 'three values a beginning');
  const other = xaesSealer(key)(Buffer.alloc(1), Buffer.alloc(0)).subarray(0, 24).toString('hex');
  t.notOk(nonces.includes(other), 'another process draws its own');
});

t.test('what is sealed comes back, in its own record and by its own key only', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
      const sealed = seal(text, 's1-1');
      assert.ok(isSealed(sealed));
      assert.equal(open(sealed, 's1-1'), text.toWellFormed());
      assert.equal(open(sealed, 's1-2'), undefined);
      assert.equal(valueOpener([hashKey])(sealed, 's1-1'), undefined);
    }),
    { numRuns: 60 },
  );
});

t.test('a long text is cut between characters, and fits into an event', async (t) => {
  for (const text of ['x', 'é', '€', '🜚'].map((one) => one.repeat(16_000))) {
    const opened = open(seal(text, 'r'), 'r') ?? '';
    t.ok(opened.endsWith('…') && text.startsWith(opened.slice(0, -1)));
    t.ok(Buffer.byteLength(opened) <= maxSealedText && seal(text, 'r').length <= 16_384);
  }
});

t.test('changed, cut and invented envelopes are not opened, and never throw', async () => {
  const sealed = seal('/home/ada/plan', 's1-1');
  const letters = fc.constantFrom(...Array.from('ABCDEFabcdef0123456789:-_=+/ \u0000é'));
  const changed = fc
    .tuple(fc.nat({ max: sealed.length - 1 }), letters)
    .map(([at, letter]) => sealed.slice(0, at) + letter + sealed.slice(at + 1));
  const invented = fc.string({ unit: letters, maxLength: 200 }).map((text) => `sealed:${text}`);
  const cut = fc.nat({ max: sealed.length - 1 }).map((end) => sealed.slice(0, end));
  fc.assert(
    fc.property(fc.oneof(changed, invented, cut, fc.string()), (text) => {
      const found = open(text, 's1-1');
      assert.equal(found, text === sealed ? '/home/ada/plan' : undefined);
    }),
    { numRuns: 500 },
  );
});

const exec = sampleRecord('s1', 1, {
  kind: 'exec',
  operation: 'exec',
  object: '/home/ada/bin/deploy',
  reason: 'no rule grants exec of /home/ada/bin/deploy',
  process: { pid: 4, exe: '/home/ada/bash', comm: 'bash' },
  detail: { argv: ['/home/ada/bin/deploy', '--to', 'the-client'], sha256: 'ab'.repeat(32) },
});

t.test('sealed fields say nothing to whoever has no key, and everything to who has', async (t) => {
  const kept = redact(exec, sealAll, hashKey, seal);
  const text = eventText(kept, inSession, 'record');
  for (const secret of ['/home/ada', 'deploy', 'the-client', '--to']) t.notOk(text.includes(secret), secret);
  t.strictSame(revealed(recordOf(text), open), { record: exec, opened: 6, closed: 0 });
  t.match(revealed(recordOf(text), valueOpener([])), { opened: 0, closed: 6 });
});

t.test('a sealed path is found by none of the terms of its path', async (t) => {
  const open1 = sampleRecord('s1', 2);
  const terms = new Set(termsOf(redact(open1, { ...keepAll, paths: 'seal' }, hashKey, seal)));
  for (const path of [open1.object, '/home/user', '/home'])
    t.notOk(terms.has(termsOfFilter({ path })[0] ?? 0), path);
});

t.test('without a way to seal, it is dropped and never kept', async (t) => {
  const text = JSON.stringify(redact(exec, sealAll, hashKey));
  t.notMatch(text, /ada|the-client/);
  t.match(text, /\[dropped\]/);
});

t.test('an agent that names a file like an envelope is shown no other record’s words', async (t) => {
  const object = `/tmp/${seal('somebody else’s path', 's9-1')}`;
  const given = sampleRecord('s1', 3, { object });
  for (const policy of [keepAll, { ...keepAll, paths: 'seal' } as const]) {
    const kept = redact(given, policy, hashKey, seal);
    t.equal(revealed(kept, open).record.object, object, policy.paths);
  }
});

const treatment = fc.constantFrom('keep', 'hash', 'drop', 'seal');

t.test('any record, sealed in any part, is a valid event that comes back', async () => {
  fc.assert(
    fc.property(
      record,
      fc.record({ arguments: treatment, paths: treatment, content: treatment }, { noNullPrototype: true }),
      (given, policy) => {
        const kept = redact(given, policy, hashKey, seal);
        const text = eventText(kept, inSession, 'record');
        assert.deepEqual(recordOf(text), kept);
        assert.deepEqual(violations(text), []);
        const hashed: RedactionPolicy = {
          arguments: policy.arguments === 'seal' ? 'keep' : policy.arguments,
          paths: policy.paths === 'seal' ? 'keep' : policy.paths,
          content: policy.content === 'seal' ? 'keep' : policy.content,
        };
        const shown = revealed(kept, open);
        assert.equal(shown.closed, 0);
        if (!Object.values(hashed).some((each) => each === 'hash' || each === 'drop'))
          assert.deepEqual(shown.record, redact(given, keepAll, hashKey));
      },
    ),
    { numRuns: 200 },
  );
});
