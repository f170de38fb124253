// Values of records sealed under a key in the vault: read by nobody but administrators, on record; dropped while the vault
// is locked; opened on another machine with the escrow key. The real programs from dist/, a real session, a software TPM.
import t from 'tap';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { SessionRecord } from '../../daemon/model/mod.ts';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { sealedMachine } from '../support/sealed-machine.ts';
import { noSwtpm } from '../support/swtpm.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';
import { askAs } from '../support/users.ts';

const skip = notRoot() ?? notBuilt() ?? noSwtpm ?? false;
const secretName = 'acquisition-of-initech';
const envelope = /sealed:[0-9a-f]{16}:[\w-]{54,}/;
const recordsIn = (text: string): SessionRecord[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SessionRecord);

t.test('sealed values of records', { skip, timeout: 170_000 }, async (t) => {
  const { swtpm, at, attestation } = await sealedMachine(t);
  const shipped = at('shipped');
  mkdirSync(shipped, { mode: 0o700 });
  const records = `records:\n  redact: { paths: seal, arguments: seal, content: seal }\n  sinks: { files: { directory: ${shipped} } }\n`;
  const settings = `${records}${attestation}`;
  const cordon = await TestCordon.start({ settings });
  t.teardown(() => cordon.stop().then(() => undefined));

  const user = testUser('sealed');
  const workspace = mkdtempSync(join(user.home, 'sealed-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
  const denied = `/etc/${secretName}`;
  const session = async (): Promise<string> => {
    await cordon.run(['sh', '-c', `echo x > ${denied}`], { user, workspace, profile: 'coding-agent' });
    return (await cordon.sessionIn(workspace)).session;
  };
  const query = async (of: string, ...more: string[]): Promise<readonly SessionRecord[]> =>
    (await cordon.json<{ records: SessionRecord[] }>(['audit', 'query', '--session', of, ...more])).records;
  const about = (records: readonly SessionRecord[]): SessionRecord[] =>
    records.filter(({ object }) => object.includes(secretName));
  const reveals = async (): Promise<number> =>
    (await cordon.records('daemon')).filter(({ operation }) => operation === 'reveal').length;

  const first = await session();
  const [shown] = about(await query(first, '--reveal', '--verdict', 'denied'));
  const id = shown?.id ?? '';

  t.test('administrators are shown them when they ask, and that is on record', async (t) => {
    t.match(shown, { object: denied, disposition: 'denied' });
    t.equal(about(await query(first)).length, 0, 'not without asking');
    t.match((await query(first, '--verdict', 'denied')).find((each) => each.id === id)?.object, envelope);
    t.match((await cordon.cli(['audit', 'query', '--session', first])).stdout, /\[sealed\]/);
    const before = await reveals();
    t.equal(
      (await cordon.json<{ record: SessionRecord }>(['explain', id, '--reveal'])).record.object,
      denied,
    );
    t.match((await cordon.json<{ record: SessionRecord }>(['explain', id])).record.object, envelope);
    t.equal(await reveals(), before + 1);
    const looked = (await cordon.records('daemon')).findLast(({ operation }) => operation === 'reveal');
    t.match(looked, {
      kind: 'log',
      reason: /root was shown sealed values/,
      detail: { actor: 'root', asked: /id/ },
    });
  });

  t.test('others are refused, the owner of the session too, and that is on record', async (t) => {
    const [first1, second] = await askAs(user, cordon.socket, [
      ['query', { session: first, reveal: true }],
      ['explain', { id, reveal: true }],
    ]);
    for (const answer of [first1, second])
      t.match(answer, { kind: 'failure', body: { code: 'not-permitted', message: /only administrators/ } });
    await until('the refusals are on record', async () =>
      (await cordon.records('daemon')).some(({ reason }) => /only administrators see/.test(reason)),
    );
  });

  t.test('neither the database nor what is shipped has them, nor finds them by their path', async (t) => {
    const files = (): string[] =>
      readdirSync(shipped).map((name) => readFileSync(join(shipped, name), 'latin1'));
    await until('records are shipped', () => files().some((text) => text.includes(`"${id}"`)));
    const database = ['cordon.db', 'cordon.db-wal']
      .map((name) => join(cordon.stateDir, name))
      .filter((path) => existsSync(path))
      .map((path) => readFileSync(path, 'latin1'));
    for (const text of [...files(), ...database]) t.notOk(text.includes(secretName));
    t.equal((await query(first, '--path', denied)).length, 0);
    t.equal((await cordon.cli(['audit', 'verify'])).code, 0, 'the proof is of the envelopes');
  });

  t.test('on another machine the escrow key opens what was exported and what was shipped', async (t) => {
    const copy = at('sealed.json');
    writeFileSync(copy, readFileSync(join(cordon.stateDir, 'keys/sealed.json')));
    await cordon.cli(['audit', 'export', '--session', first, '--out', at('export.jsonl')]);
    t.equal((await cordon.cli(['audit', 'verify', '--file', at('export.jsonl')])).code, 0);
    const keys = ['--escrow', at('escrow.key'), '--keys', copy, '--socket', '/nowhere'];
    const files = [at('export.jsonl'), ...readdirSync(shipped).map((name) => join(shipped, name))];
    const found = await Promise.all(
      files.map((file) => cordon.cli(['audit', 'reveal', file, ...keys, '--json'])),
    );
    for (const { code, stderr } of found) t.equal(code, 0, stderr);
    t.ok(about(recordsIn(found[0]!.stdout)).some(({ object }) => object === denied));
    t.ok(found.slice(1).some(({ stdout }) => about(recordsIn(stdout)).some((each) => each.id === id)));
    t.match((await cordon.cli(['audit', 'reveal', files[0]!, ...keys])).stdout, /sealed values opened/);
    const other = at('other.key');
    spawnSync('openssl', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072', '-out', other]);
    const wrong = await cordon.cli(['audit', 'reveal', files[0]!, '--escrow', other, '--keys', copy]);
    t.equal(wrong.code, 1);
    t.match(wrong.stderr, /not the escrow key/);
  });

  t.test('with the vault locked they are dropped, and it is said', async (t) => {
    await swtpm.tool('tpm2_pcrextend', `0:sha256=${'22'.repeat(32)}`);
    await cordon.killDaemon();
    await cordon.startDaemon();
    t.match((await cordon.cli(['status'])).stdout, /VALUES ARE DROPPED/);
    const locked = await session();
    const text = JSON.stringify(await query(locked));
    t.notMatch(text, secretName);
    t.match(text, /\[dropped\]/);
    const refused = await cordon.cli(['audit', 'query', '--reveal']);
    t.equal(refused.code, 1);
    t.match(refused.stderr, /locked[^]*attest recover/);
  });

  t.test('recovered, it seals again, and opens what was sealed before', async (t) => {
    t.equal((await cordon.cli(['attest', 'recover', '--key', at('escrow.key')])).code, 0);
    t.notMatch((await cordon.cli(['status'])).stdout, /DROPPED/);
    t.ok(about(await query(first, '--reveal')).length > 0);
    const later = await session();
    t.equal(about(await query(later)).length, 0);
    t.ok(about(await query(later, '--reveal')).length > 0);
    t.equal((await cordon.cli(['audit', 'verify'])).code, 0);
  });
});

t.test(
  'without a vault values are dropped, and it is said',
  { skip: notRoot() ?? notBuilt() ?? false },
  async (t) => {
    const settings = 'records:\n  redact: { paths: seal }\nattestation: { tpm: none }\n';
    const cordon = await TestCordon.start({ settings });
    t.teardown(() => cordon.stop().then(() => undefined));
    t.match((await cordon.cli(['status'])).stdout, /VALUES ARE DROPPED .*no TPM/);
    t.match(cordon.log, /should be sealed are dropped/);
    const refused = await cordon.cli(['audit', 'query', '--reveal']);
    t.equal(refused.code, 1);
    t.match(refused.stderr, /no TPM[^]*audit reveal/);
  },
);
