// cordond's own keys in the TPM: adopted from files, locked when the machine is started otherwise, recovered with the
// escrow key. The real programs from dist/, a real session, a software TPM.
import t from 'tap';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { filesBelow, sealedMachine } from '../support/sealed-machine.ts';
import { noSwtpm } from '../support/swtpm.ts';
import { notRoot, testUser } from '../support/user.ts';

const skip = notRoot() ?? notBuilt() ?? noSwtpm ?? false;

interface Keys {
  readonly held: string;
  readonly locked: boolean;
  readonly reason: string;
  readonly fix: string;
}

t.test('the keys of cordond in the TPM', { skip, timeout: 170_000 }, async (t) => {
  const { swtpm, at, attestation } = await sealedMachine(t);
  const records = 'records:\n  redact: { paths: hash }\n';
  const withTpm = `${records}${attestation}`;
  const cordon = await TestCordon.start({ settings: `${records}attestation: { tpm: none }\n` });
  t.teardown(() => cordon.stop().then(() => undefined));
  const state = (name: string): string => join(cordon.stateDir, name);
  const plain = ['cordon.db.key', 'cordon.db.redaction-key', 'tokens/keys.json'];
  const keys = async (): Promise<Keys> => (await cordon.json<{ keys: Keys }>(['attest', 'status'])).keys;
  const restart = async (): Promise<void> => {
    await cordon.killDaemon();
    await cordon.startDaemon();
  };
  /** Ids of the published keys, the oldest first. */
  const kids = async (): Promise<readonly string[]> =>
    (JSON.parse((await cordon.cli(['token', 'jwks'])).stdout) as { keys: { kid: string }[] }).keys.map(
      ({ kid }) => kid,
    );
  const verified = async (): Promise<unknown> => (await cordon.cli(['audit', 'verify'])).code;

  const before = plain.map((name) => readFileSync(state(name), 'utf8'));
  const [first] = await kids();
  t.match(await keys(), { held: 'file', locked: false });

  t.test('files of before go into the vault, are gone, and the log goes on under its name', async (t) => {
    await cordon.killDaemon();
    writeFileSync(cordon.settingsFile!, withTpm);
    await cordon.startDaemon();
    t.match(await keys(), { held: 'tpm', locked: false, reason: 'sealed to PCR 0, 2, 7' });
    for (const name of plain) t.notOk(existsSync(state(name)), name);
    const left = filesBelow(cordon.stateDir);
    const pem = before[0]!.split('\n')[1]!;
    for (const secret of [pem, before[1]!.trim(), before[2]!])
      t.notOk(
        left.some((text) => text.includes(secret)),
        'no file has it in the clear',
      );
    t.equal((await kids())[0], first, 'the token key is still published');
    t.match(
      await cordon.json(['audit', 'verify']),
      { ok: true, logs: [{ ownKey: true }] },
      'it is signed by the key in use, whose file is gone',
    );
    const { stdout } = await cordon.cli(['audit', 'tail', '--session', 'daemon', '--limit', '500', '--json']);
    t.notMatch(stdout, /log-restart/);
  });

  t.test('killed and started again, the TPM gives them out', async (t) => {
    await restart();
    t.match(await keys(), { held: 'tpm', locked: false });
    t.equal((await kids())[0], first);
  });

  const user = testUser('sealed');
  const workspace = mkdtempSync(join(user.home, 'sealed-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
  const run = () =>
    cordon.run(['sh', '-c', 'echo done > kept; cat /etc/shadow'], {
      user,
      workspace,
      profile: 'coding-agent',
    });

  t.test('after an update of firmware it starts, enforces, records, and says what to do', async (t) => {
    await swtpm.tool('tpm2_pcrextend', `0:sha256=${'22'.repeat(32)}`);
    await restart();
    t.match(await keys(), { held: 'tpm', locked: true, fix: /cordon attest recover/ });
    t.match(cordon.log, /keys are locked/);
    t.match((await cordon.cli(['status'])).stdout, /keys +LOCKED: .*recover/);
    t.match((await cordon.cli(['token', 'jwks'])).stderr, /locked/);
    const { stderr } = await run();
    t.match(stderr, /not permitted|denied/);
    t.equal(readFileSync(join(workspace, 'kept'), 'utf8'), 'done\n');
    const { session } = await cordon.sessionIn(workspace);
    const denied = (await cordon.records(session)).filter(({ disposition }) => disposition === 'denied');
    t.ok(denied.length > 0, 'denials are on record');
    const text = JSON.stringify(denied);
    t.notMatch(text, /shadow/, 'what would be hashed is dropped, not kept');
    t.match(text, /\[dropped\]/);
    const proof = await cordon.cli(['audit', 'prove', denied[0]!.id]);
    t.equal(proof.code, 1);
    t.match(proof.stderr, /started otherwise/, 'nothing is signed meanwhile');
  });

  t.test('another escrow key opens nothing', async (t) => {
    const other = at('other.key');
    spawnSync('openssl', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072', '-out', other]);
    const { code, stderr } = await cordon.cli(['attest', 'recover', '--key', other]);
    t.equal(code, 1);
    t.match(stderr, /not the escrow key/);
    writeFileSync(at('noise'), '{"record-key":"x"}');
    t.equal((await cordon.cli(['attest', 'recover', '--content', at('noise')])).code, 1);
    t.match(await keys(), { locked: true });
  });

  t.test('the escrow key opens them, and they are sealed to what the machine is now', async (t) => {
    const { code, stdout, stderr } = await cordon.cli(['attest', 'recover', '--key', at('escrow.key')]);
    t.equal(code, 0, stderr);
    t.match(stdout, /sealed to PCR 0, 2, 7/);
    t.match(await keys(), { held: 'tpm', locked: false });
    t.equal((await kids())[0], first, 'tokens are given out again, under the same keys');
    const { session } = await cordon.sessionIn(workspace);
    const denied = (await cordon.records(session)).find(({ disposition }) => disposition === 'denied');
    t.equal(
      (await cordon.cli(['audit', 'prove', denied!.id])).code,
      0,
      'what was recorded meanwhile is signed',
    );
    t.equal(await verified(), 0);
    await restart();
    t.match(await keys(), { held: 'tpm', locked: false });
  });

  t.test('recovered elsewhere, with the escrow key never on this machine', async (t) => {
    await swtpm.tool('tpm2_pcrextend', `7:sha256=${'33'.repeat(32)}`);
    await restart();
    t.match(await keys(), { locked: true });
    const out = ['--key', at('escrow.key'), '--out', at('content')];
    t.equal((await cordon.cli(['attest', 'recover', state('keys/sealed.json'), ...out])).code, 0);
    t.equal((await cordon.cli(['attest', 'recover', '--content', at('content')])).code, 0);
    t.match(await keys(), { locked: false });
  });

  t.test('without its TPM they stay locked, and open by themselves when it is there again', async (t) => {
    await swtpm.restart();
    // The PCRs begin anew with a power cut: another state than the one sealed to.
    await restart();
    t.equal((await cordon.cli(['attest', 'recover', '--key', at('escrow.key')])).code, 0);
    await swtpm.kill();
    await restart();
    t.match(await cordon.json<object>(['status']), { more: { keys: { locked: true } } });
    await swtpm.restart();
    t.match(await keys(), { locked: false });
    t.equal((await kids())[0], first);
  });
});
