// A token is known and on record while the TPM signs it, and nobody has it before it is signed. What is left when the TPM or
// cordond dies between: never a token that cordond does not know. The real programs of dist/, a software TPM.
import t from 'tap';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';

const skip = notRoot() ?? notBuilt() ?? noSwtpm ?? false;
const profile =
  "cordon: 1\nname: minting\nversion: 1\nextends: [base-linux]\ntokens: { audiences: ['https://api.example'], tools: [search] }\n";

interface TokenRecord {
  readonly kind: string;
  readonly operation: string;
  readonly reason: string;
  readonly disposition: string;
  readonly detail: { readonly jti?: string; readonly jtis?: readonly string[] };
}

/** Command lines, in a row. */
const childrenOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map((child) =>
      existsSync(`/proc/${child}/cmdline`) ? readFileSync(`/proc/${child}/cmdline`, 'utf8') : '',
    )
    .join('\n');

t.test('a token that is being signed by the TPM', { skip, timeout: 170_000 }, async (t) => {
  const swtpm = await startSwtpm(t, { certified: false });
  const cordon = await TestCordon.start({
    settings: `attestation:\n  tpm: "${swtpm.name}"\n`,
    profiles: { minting: profile },
  });
  t.teardown(() => cordon.stop().then(() => undefined));
  const user = testUser('minting');
  const workspace = mkdtempSync(join(user.home, 'minting-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  spawnSync('chown', [`${user.uid}:${user.gid}`, workspace]);
  cordon.spawn(['sleep', '600'], { user, workspace, profile: 'minting' });
  const { session } = await until('the session runs', async () => {
    const one = await cordon.sessionIn(workspace);
    return one.state === 'running' && one.initPid > 0 ? one : undefined;
  });
  const detail = '{"type":"tool.call","tool":"search"}';
  const keyFile = join(temporaryDirectory(t), 'key.pem');
  const asked = [
    '--session',
    session,
    '--audience',
    'https://api.example',
    '--detail',
    detail,
    '--key',
    keyFile,
  ];
  const mint = () => cordon.cli(['token', 'mint', ...asked], { within: 120_000 });
  const records = async (): Promise<TokenRecord[]> =>
    ((await cordon.records(session)) as unknown as TokenRecord[]).filter(({ kind }) => kind === 'token');
  const valid = async (): Promise<readonly { readonly jti: string }[]> =>
    (await cordon.json<{ tokens: { jti: string }[] }>(['token', 'list', '--session', session])).tokens;

  t.equal((await mint()).code, 0);
  t.equal((await valid()).length, 1);

  t.test('which dies, is not given out: it is revoked, and that is on record behind it', async (t) => {
    const before = (await records()).length;
    await swtpm.kill();
    const ran = await mint();
    t.not(ran.code, 0);
    t.match(ran.stderr, /the TPM does not sign/);
    const [minted, taken, ...more] = (await records()).slice(before);
    t.match(minted, { operation: 'mint', disposition: 'allowed' });
    t.match(taken, { operation: 'revoke', reason: 'it was not given out' });
    t.same(taken?.detail.jtis, [minted?.detail.jti]);
    t.same(more, []);
    t.equal((await valid()).length, 1, 'the one of before');
    await swtpm.restart();
    t.equal((await mint()).code, 0);
  });

  t.test('when cordond is killed, was recorded before, is known after, and is nobody’s', async (t) => {
    const [before, known] = [(await records()).length, (await valid()).length];
    // The key of before is given up a while after it has signed: the new one must not have to wait for that.
    await until('the TPM is left alone', () => !childrenOf(cordon.daemonPid).includes('tpm-transport'));
    swtpm.signal('SIGSTOP');
    const minting = mint();
    const minted = await until('it is on record', async () => (await records())[before]);
    t.match(minted, { operation: 'mint', disposition: 'allowed' });
    await cordon.killDaemon();
    t.not((await minting).code, 0);
    swtpm.signal('SIGCONT');
    await cordon.startDaemon();
    const after = await valid();
    t.equal(after.length, known + 1);
    const jti = minted.detail.jti ?? '';
    t.ok(after.some((each) => each.jti === jti));
    t.equal((await cordon.cli(['token', 'revoke', jti])).code, 0, 'so it can be revoked');
    t.equal((await mint()).code, 0);
    t.equal((await cordon.cli(['audit', 'verify'])).code, 0);
  });
});
