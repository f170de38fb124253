// A session mints a token after the machine is attested, while that is fresh and the machine is what was attested, and
// not before, after, or otherwise. The real programs of dist/, a software TPM, a verifier over HTTPS.
import t from 'tap';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeJwt, importJWK, jwtVerify } from 'jose';
import type { JWK } from 'jose';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';
import { startVerifier } from '../support/verifier-service.ts';

const skip = notRoot() ?? notBuilt() ?? noSwtpm ?? false;
const agent = fileURLToPath(new URL('../support/token-agent.ts', import.meta.url));

interface Said {
  readonly token?: string;
  readonly refused?: string;
}

const profile = (name: string, within: string): string =>
  `cordon: 1\nname: ${name}\nversion: 1\nextends: [base-linux]\ntokens: { attestation: software, attested-within: ${within}, audiences: ['https://api.example'], tools: [search] }\n`;

t.test('tokens of an attested machine', { skip, timeout: 170_000 }, async (t) => {
  const swtpm = await startSwtpm(t);
  const { online, key } = await startVerifier(t, swtpm);
  const cordon = await TestCordon.start({
    settings: `attestation:\n  tpm: "${swtpm.name}"\n  verifier-key: ${key}\n`,
    profiles: { lasting: profile('lasting', '1h'), brief: profile('brief', '1s') },
  });
  t.teardown(() => cordon.stop().then(() => undefined));
  const user = testUser('fresh');

  /** A session that waits, and a way to ask for a token inside it. */
  const session = async (name: string): Promise<() => Promise<Said>> => {
    const workspace = mkdtempSync(join(user.home, 'fresh-'));
    t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
    spawnSync('chown', [`${user.uid}:${user.gid}`, workspace]);
    cordon.spawn(['sleep', '600'], { user, workspace, profile: name });
    const { session: id, initPid } = await until('the session runs', async () => {
      const one = await cordon.sessionIn(workspace);
      return one.state === 'running' && one.initPid > 0 ? one : undefined;
    });
    const socket = join(cordon.runDir, 'sessions', id, 'agent', 'agent.sock');
    const wish = {
      audience: 'https://api.example',
      details: [{ type: 'tool.call', tool: 'search' }],
      uses: 5,
    };
    return async () => {
      const node = [process.execPath, '--disable-warning=ExperimentalWarning', agent, socket];
      const args = ['--target', String(initPid), '--pid', '--', ...node, JSON.stringify([{ token: wish }])];
      const child = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'inherit'] });
      const gone = once(child, 'exit');
      const [said] = (await once(child.stdout, 'data')) as [Buffer];
      child.stdin.end();
      await gone;
      return JSON.parse(said.toString()) as Said;
    };
  };
  const attest = async () => cordon.cli(['attest', 'quote', ...online]);
  const mint = await session('lasting');

  t.test('none before a verifier has accepted the machine', async (t) => {
    t.match(await mint(), { refused: /no verifier has accepted/ });
  });

  t.test('once it is attested, signed in the TPM and checked by a stranger', async (t) => {
    t.equal((await cordon.cli(['attest', 'enroll', ...online])).code, 0);
    t.equal((await attest()).code, 0);
    const { token = '' } = await mint();
    const { keys } = JSON.parse((await cordon.cli(['token', 'jwks'])).stdout) as { keys: JWK[] };
    t.match(keys, [{ alg: 'ES256', cordon: { held: 'tpm', tpm: 'software' } }]);
    const { payload } = await jwtVerify(token, await importJWK(keys[0]!, 'ES256'), {
      audience: 'https://api.example',
    });
    t.match(payload, { cordon: { attestation: { verdict: 'passed', tpm: 'software', verifier: 'test' } } });
    t.ok((decodeJwt(token).exp ?? 0) > 0);
  });

  t.test('none once the PCRs have changed, until it is attested anew', async (t) => {
    await swtpm.tool('tpm2_pcrextend', `4:sha256=${'44'.repeat(32)}`);
    await until(
      'attest status tells of it, before anybody asked for a right',
      async () => /unknown: PCR 4 changed/.test((await cordon.cli(['attest', 'status'])).stdout),
      { every: 300, within: 60_000 },
    );
    t.match(await mint(), { refused: /PCR 4 changed|no verifier/ });
    t.equal((await attest()).code, 0);
    t.ok((await mint()).token);
  });

  t.test('none when the attestation is older than the profile allows', async (t) => {
    const late = await session('brief');
    const refused = await until('a refusal', async () => (await late()).refused, {
      every: 300,
      within: 60_000,
    });
    t.match(refused, /too old/);
    t.ok((await mint()).token, 'while another profile is content');
  });
});
