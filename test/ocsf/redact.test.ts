import t from 'tap';
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { keepAll } from '../../daemon/model/mod.ts';
import type { RedactionPolicy } from '../../daemon/model/mod.ts';
import { eventText, recordOf, redact } from '../../daemon/ocsf/mod.ts';
import { sampleRecord } from '../support/records.ts';
import { record } from './arbitrary.ts';
import { inSession } from './samples.ts';
import { violations } from './validate.ts';

const key = Buffer.alloc(32, 7);
const hashOf = (text: string): string =>
  `hmac-sha256:${createHmac('sha256', key).update(text).digest('hex')}`;

const exec = sampleRecord('s1', 1, {
  kind: 'exec',
  operation: 'exec',
  object: '/usr/bin/git',
  reason: 'no rule grants exec of /usr/bin/git',
  process: { pid: 4, exe: '/bin/bash', comm: 'bash' },
  tree: [{ pid: 3, exe: '/bin/zsh' }],
  detail: { argv: ['git', 'push', '--token', 'opensesame', 'main'], sha256: 'ab'.repeat(32) },
});
const call = sampleRecord('s1', 2, {
  kind: 'tool',
  operation: 'call',
  object: 'Bash',
  reason: 'reported by the agent',
  detail: { callId: 'c', arguments: 'export API_KEY=opensesame; ls /a', result: 'ok' },
});

t.test('secrets are taken out whatever the policy says', async (t) => {
  const kept = redact(exec, keepAll, key);
  t.strictSame(kept.detail?.['argv'], ['git', 'push', '--token', '[redacted:option]', 'main']);
  t.match(redact(call, keepAll, key).detail, { arguments: 'export API_KEY=[redacted:assignment]; ls /a' });
  for (const each of [exec, call])
    t.notMatch(eventText(redact(each, keepAll, key), inSession, 'record'), 'opensesame');
});

t.test('a record without secrets is kept as it is', async (t) => {
  const plain = sampleRecord('s1', 3, { detail: { argv: ['ls', '-l'] } });
  t.equal(redact(plain, keepAll, key), plain, 'the very same');
});

t.test('paths are hashed or dropped, wherever a record names them', async (t) => {
  const hashed = redact(exec, { ...keepAll, paths: 'hash' }, key);
  const image = hashOf('/usr/bin/git');
  t.match(hashed, {
    object: image,
    reason: `no rule grants exec of ${image}`,
    process: { pid: 4, exe: hashOf('/bin/bash'), comm: 'bash' },
    tree: [{ exe: hashOf('/bin/zsh') }],
    detail: { sha256: 'ab'.repeat(32) },
  });
  const moved = sampleRecord('s1', 4, { operation: 'rename', object: '/home/u/a', object2: '/home/u/b' });
  const gone = JSON.stringify(redact(moved, { ...keepAll, paths: 'drop' }, key));
  t.notMatch(gone, '/home/u');
  t.match(gone, '[dropped]');
});

t.test('hosts are no paths', async (t) => {
  const lookup = sampleRecord('s1', 5, { kind: 'name', operation: 'lookup', object: 'example.com' });
  t.equal(redact(lookup, { ...keepAll, paths: 'drop' }, key).object, 'example.com');
});

t.test('arguments are hashed one by one, behind the name of the program', async (t) => {
  const { detail } = redact(exec, { ...keepAll, arguments: 'hash' }, key);
  t.strictSame(detail?.['argv'], [
    'git',
    hashOf('push'),
    hashOf('--token'),
    hashOf('[redacted:option]'),
    hashOf('main'),
  ]);
  const launch = sampleRecord('s1', 6, { kind: 'session', operation: 'launch', object: 'claude -p hello' });
  t.equal(redact(launch, { ...keepAll, arguments: 'drop' }, key).object, 'claude [dropped]');
  const told = sampleRecord('s1', 7, {
    kind: 'session',
    operation: 'launch',
    object: 'deploy --token opensesame --verbose',
  });
  t.equal(redact(told, keepAll, key).object, 'deploy --token [redacted:option] --verbose');
  const random = 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG';
  for (const secret of [
    `Cookie: sid=${random}; other=opensesame`,
    `Authorization: ${random} opensesame`,
    ['-----BEGIN PRIVATE', ` KEY-----${random}/opensesame/x-----END PRIVATE`, ' KEY-----'].join(''),
  ]) {
    const object = `curl -H ${secret}`;
    const over = sampleRecord('s1', 8, { kind: 'session', operation: 'launch', object });
    t.notMatch(redact(over, keepAll, key).object, /opensesame/, 'a secret of several words goes whole');
  }
});

t.test('what was said is hashed or dropped', async (t) => {
  const silent = redact(call, { ...keepAll, content: 'drop' }, key);
  t.strictSame(silent.detail, { callId: 'c', arguments: '[dropped]', result: '[dropped]' });
  const why = sampleRecord('s1', 7, {
    kind: 'tool',
    operation: 'justify',
    object: 's1-1',
    reason: 'because',
  });
  t.equal(redact(why, { ...keepAll, content: 'hash' }, key).reason, hashOf('because'));
});

t.test('equal values have equal hashes under one key, and others under another', async (t) => {
  const policy: RedactionPolicy = { ...keepAll, paths: 'hash' };
  t.equal(redact(exec, policy, key).object, redact({ ...exec, seq: 9 }, policy, key).object);
  t.not(redact(exec, policy, key).object, redact(exec, policy, Buffer.alloc(32, 8)).object);
});

const treatment = fc.constantFrom('keep', 'hash', 'drop');

t.test('any record, redacted in any way, is an event that comes back', async () => {
  fc.assert(
    fc.property(
      record,
      fc.record({ arguments: treatment, paths: treatment, content: treatment }, { noNullPrototype: true }),
      (given, policy) => {
        const kept = redact(given, policy, key);
        const text = eventText(kept, inSession, 'record');
        assert.deepEqual(recordOf(text), kept);
        assert.deepEqual(violations(text), []);
      },
    ),
    { numRuns: 400 },
  );
});
