// One issuer for a fleet: a session's token is exchanged at the verifier for one that a backend checks by the verifier's keys
// alone, and that ends by a revocation here, there, or by a kill. The real programs of dist/, a software TPM, HTTPS.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get as httpsGet } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { importJWK, jwtVerify } from 'jose';
import type { JWK } from 'jose';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';
import { startVerifier } from '../support/verifier-service.ts';

const skip = notRoot() ?? notBuilt() ?? noSwtpm ?? false;
const audience = 'https://api.example';
const detail = { type: 'tool.call', tool: 'search' };
const profile = `cordon: 1\nname: lasting\nversion: 1\nextends: [base-linux]\ntokens: { attestation: software, attested-within: 1h, audiences: ['${audience}'], tools: [search, mail] }\n`;

t.test('tokens by the verifier, end to end', { skip, timeout: 170_000 }, async (t) => {
  const swtpm = await startSwtpm(t);
  const directory = temporaryDirectory(t);
  const at = (name: string): string => join(directory, name);
  const rule = { tpm: 'software', audiences: [audience], details: [detail], uses: 3, lifetime: 120 };
  writeFileSync(at('minting.json'), JSON.stringify({ rules: [rule] }));
  const { online, key, url, ca, state } = await startVerifier(t, swtpm, ['--minting', at('minting.json')]);
  const cordon = await TestCordon.start({
    settings: `attestation:\n  tpm: "${swtpm.name}"\n  verifier-key: ${key}\n`,
    profiles: { lasting: profile },
  });
  t.teardown(() => cordon.stop().then(() => undefined));
  const user = testUser('minted');
  const workspace = mkdtempSync(join(user.home, 'minted-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  spawnSync('chown', [`${user.uid}:${user.gid}`, workspace]);

  const fetched = async (path: string): Promise<string> => {
    const request = httpsGet(url + path, { ca: readFileSync(ca) });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return text(response);
  };
  const attest = async () => cordon.cli(['attest', 'quote', ...online]);
  t.equal((await cordon.cli(['attest', 'enroll', ...online])).code, 0);
  t.equal((await attest()).code, 0);
  cordon.spawn(['sleep', '600'], { user, workspace, profile: 'lasting' });
  const { session } = await until('the session runs', async () => {
    const one = await cordon.sessionIn(workspace);
    return one.state === 'running' && one.initPid > 0 ? one : undefined;
  });

  const mint = async (wish: object = detail, uses = '2') =>
    cordon.cli([
      ...['token', 'mint', '--json', '--session', session, '--audience', audience, '--uses', uses],
      ...['--detail', JSON.stringify(wish), '--key', at('key.pem'), '--exchange', url, '--ca', ca],
    ]);
  const minted = async (): Promise<string> => {
    const { stdout, stderr, code } = await mint();
    t.equal(code, 0, stderr);
    return (JSON.parse(stdout) as { token: string }).token;
  };
  /** As a backend that knows the verifier and nothing of the machine. */
  const verdictOn = async (token: string) => {
    writeFileSync(at('jwks.json'), await fetched('/v1/token-keys'));
    writeFileSync(at('status.jwt'), await fetched('/v1/token-status'));
    return cordon.cli([
      ...['token', 'verify', token, '--jwks', at('jwks.json'), '--status', at('status.jwt')],
      ...['--issuer', url, '--audience', audience],
    ]);
  };

  t.test('not before the verifier has seen this session in what the machine proves', async (t) => {
    const { code, stderr } = await mint();
    t.equal(code, 1);
    t.match(stderr, /the session is not among those that its machine has proved to run/);
    t.equal((await attest()).code, 0);
  });

  t.test(
    'then it is the verifier’s token, for a backend that has its keys alone, and for jose',
    async (t) => {
      const token = await minted();
      const verdict = await verdictOn(token);
      t.equal(verdict.code, 0, verdict.stdout + verdict.stderr);
      const { keys } = JSON.parse(readFileSync(at('jwks.json'), 'utf8')) as { keys: JWK[] };
      const { payload } = await jwtVerify(token, await importJWK(keys[0]!, 'EdDSA'), {
        issuer: url,
        audience,
      });
      t.match(payload, {
        cordon: { session, attestation: { verdict: 'passed', verifier: 'test' }, uses: 2 },
      });
      const { tokens } = JSON.parse(
        (await cordon.cli(['verifier', 'tokens', '--state', state, '--json'])).stdout,
      ) as {
        tokens: { jti: string }[];
      };
      t.ok(tokens.some(({ jti }) => jti === payload.jti));
    },
  );

  t.test('what the minting policy does not grant is refused, with the reason', async (t) => {
    for (const [wish, uses] of [
      [{ type: 'tool.call', tool: 'mail' }, '1'],
      [detail, '9'],
    ] as const) {
      const { code, stderr } = await mint(wish, uses);
      t.equal(code, 1);
      t.match(stderr, /no rule of the minting policy grants this/);
    }
  });

  t.test('revoked at the verifier: in its list when the command returns', async (t) => {
    const token = await minted();
    const { jti } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { jti: string };
    const revoked = await cordon.cli(['verifier', 'revoke', jti, '--state', state]);
    t.match(revoked.stdout, /revoked 1 token/, revoked.stderr);
    t.match(await verdictOn(token), { code: 1, stdout: /Refused \(revoked\)/ });
  });

  t.test('revoked on the machine: in the verifier’s list with the next attestation', async (t) => {
    const token = await minted();
    t.equal((await cordon.cli(['token', 'revoke', '--session', session])).code, 0);
    t.equal((await attest()).code, 0);
    t.match(await verdictOn(token), { code: 1, stdout: /Refused \(revoked\)/ });
    t.equal((await verdictOn(await minted())).code, 0, 'one that is minted after it counts');
  });

  t.test('a machine that the verifier no longer wants gets none, until that is lifted', async (t) => {
    const revoke = (...more: string[]) => cordon.cli(['verifier', 'revoke', '--state', state, ...more]);
    const listed = await cordon.cli(['verifier', 'tokens', '--state', state, '--json']);
    const { tokens } = JSON.parse(listed.stdout) as { tokens: { ak: string }[] };
    const name = tokens[0]!.ak;
    t.equal((await revoke('--endpoint', name, '--reason', 'sold')).code, 0);
    t.match(await mint(), { code: 1, stderr: /no machine that is accepted here/ });
    t.match(await attest(), { code: 1, stdout: /fail +enrolment/ });
    t.equal((await revoke('--endpoint', name, '--lift')).code, 0);
    t.equal((await attest()).code, 0);
    t.equal((await verdictOn(await minted())).code, 0);
    t.match(await revoke('--lift', '--all'), { code: 2, stderr: /--lift goes with --endpoint/ });
    t.match(await revoke('A'.repeat(22)), { code: 1, stderr: /no such token/ });
  });

  t.test('a kill on the machine ends what the verifier minted', async (t) => {
    const token = await minted();
    t.equal((await cordon.cli(['kill', '--all'])).code, 0);
    t.equal((await attest()).code, 0);
    t.match(await verdictOn(token), { code: 1, stdout: /Refused \(revoked\)/ });
  });
});

t.test(
  'a machine whose token keys are files attests to a verifier that mints',
  { skip, timeout: 170_000 },
  async (t) => {
    const swtpm = await startSwtpm(t);
    const minting = join(temporaryDirectory(t), 'minting.json');
    writeFileSync(minting, JSON.stringify({ rules: [] }));
    const { online, key } = await startVerifier(t, swtpm, ['--minting', minting]);
    const attestation = `attestation:\n  tpm: "${swtpm.name}"\n  verifier-key: ${key}\n`;
    const cordon = await TestCordon.start({ settings: `${attestation}tokens: { keys: file }\n` });
    t.teardown(() => cordon.stop().then(() => undefined));
    t.equal((await cordon.cli(['attest', 'enroll', ...online])).code, 0);
    const { code, stdout, stderr } = await cordon.cli(['attest', 'quote', ...online]);
    t.match(stdout, /accepted/);
    t.equal(code, 0, stderr);
  },
);
