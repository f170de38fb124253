// From a machine with a TPM to a relying party: the real cordond, CLI and verifier of dist/, over sockets and HTTPS.
import t from 'tap';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { importJWK, jwtVerify } from 'jose';
import type { JWK } from 'jose';
import { notBuilt } from '../support/cordon.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { notRoot } from '../support/user.ts';
import { askAs, nobody } from '../support/users.ts';

const skip = notRoot() ?? notBuilt() ?? noSwtpm ?? false;
const run = promisify(execFile);
const script = (path: string): string => fileURLToPath(new URL(`../../dist/${path}`, import.meta.url));
const environment = { PATH: '/usr/bin:/bin', TZ: 'UTC' };

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function cordon(...args: readonly string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await run(process.execPath, [script('cordon.cjs'), ...args], {
      env: environment,
    });
    return { status: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, stdout, stderr };
  }
}

/** Resolves with the first line it prints. */
async function start(
  t: Test,
  args: readonly string[],
): Promise<{ readonly line: string; stop(): Promise<void> }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  t.teardown(stop);
  const [first] = (await once(child.stdout, 'data')) as [Buffer];
  return { line: first.toString().trim(), stop };
}

async function certificate(directory: string): Promise<void> {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'tls.key'];
  await run('openssl', ['req', '-x509', ...key, '-out', 'tls.crt', '-days', '2', ...subject], {
    cwd: directory,
  });
}

/** As an administrator who carries files between the two would. */
async function post(port: number, ca: string, path: string, body: string): Promise<string> {
  const request = httpsRequest({ host: '127.0.0.1', port, path, method: 'POST', ca });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return text(response);
}

t.test('attestation end to end', { skip }, async (t) => {
  const swtpm = await startSwtpm(t);
  const directory = temporaryDirectory(t);
  const at = (name: string): string => join(directory, name);
  await certificate(directory);
  await run('openssl', [
    'genpkey',
    '-algorithm',
    'RSA',
    '-pkeyopt',
    'rsa_keygen_bits:3072',
    '-out',
    at('escrow.key'),
  ]);
  await run('openssl', ['pkey', '-in', at('escrow.key'), '-pubout', '-out', at('escrow.pem')]);
  writeFileSync(at('reference.json'), JSON.stringify({ 'allow-software': true }));

  const serve = (reference: string) =>
    start(t, [
      script('cordon.cjs'),
      ...['verifier', 'serve', '--json', '--state', at('verifier'), '--listen', '127.0.0.1:0'],
      ...['--cert', at('tls.crt'), '--cert-key', at('tls.key'), '--software-roots', swtpm.root],
      ...['--intermediates', swtpm.issuer, '--reference', at(reference), '--issuer', 'test'],
    ]);
  const verifier = await serve('reference.json');
  const { port } = JSON.parse(verifier.line) as { port: number };
  const online = ['--verifier', `https://127.0.0.1:${port}`, '--ca', at('tls.crt')];
  const jwk = JSON.parse(readFileSync(at('verifier/verifier.jwk'), 'utf8')) as JWK;
  const publicKey = { kty: jwk.kty, crv: jwk.crv, x: jwk.x, alg: jwk.alg, kid: jwk.kid };
  writeFileSync(at('verifier.pub.jwk'), JSON.stringify(publicKey));

  for (const name of ['run', 'state', 'profiles']) mkdirSync(at(name));
  const profile = 'cordon: 1\nname: attested\nversion: 1\nextends: [base-linux]\nattestation: software\n';
  writeFileSync(at('profiles/attested.yaml'), profile);
  writeFileSync(
    at('config.yaml'),
    `run-dir: ${at('run')}
state-dir: ${at('state')}
profiles: [${at('profiles')}]
pool: 0
attestation:
  tpm: "${swtpm.name}"
  verifier-key: ${at('verifier.pub.jwk')}
  escrow: ${at('escrow.pem')}
`,
  );
  const boot = () => start(t, [script('cordond.js'), '--config', at('config.yaml')]);
  let daemon = await boot();
  const socket = ['--socket', at('run/admin.sock')];
  const attest = (...args: string[]) => cordon(...socket, 'attest', ...args);

  t.test('before anything is proved, every line says software and unknown', async (t) => {
    const { stdout, stderr } = await attest('status');
    t.match(stdout, /SOFTWARE/, stderr);
    t.match(stdout, /enrolled +no/);
    t.match((await cordon(...socket, 'status')).stdout, /attested +unknown \(SOFTWARE TPM\)/);
  });

  t.test(
    'a quote before the enrolment is refused by the verifier, and the reason reaches the daemon',
    async (t) => {
      const { status, stdout } = await attest('quote', ...online);
      t.equal(status, 1);
      t.match(stdout, /fail +enrolment +the key is not enrolled/);
      t.match((await attest('status')).stdout, /attested +failed: enrolment/);
    },
  );

  t.test('a session whose profile demands attestation does not start before it', async (t) => {
    const run = ['run', '--profile', 'attested', '--user', 'nobody', '--workspace', '/tmp'];
    const { status, stderr } = await cordon(...socket, ...run, '--', 'true');
    t.equal(status, 125);
    t.match(stderr, /demands an attested machine, and the verifier refused this machine/);
  });

  t.test('the machine is enrolled, twice with the same outcome', async (t) => {
    const first = await attest('enroll', '--json', ...online);
    t.equal(first.status, 0, first.stderr);
    t.match(JSON.parse(first.stdout), { enrolled: true, tpm: 'software' });
    const second = await attest('enroll', '--json', ...online);
    t.equal(second.stdout, first.stdout);
  });

  t.test('by file, each step again and again, the outcome is the same', async (t) => {
    const send = (path: string, body: string) => post(port, readFileSync(at('tls.crt'), 'utf8'), path, body);
    for (let turn = 0; turn < 2; turn++) {
      for (let again = 0; again < 2; again++)
        t.equal((await attest('enroll', '--out', at('request'))).status, 0);
      writeFileSync(at('challenge'), await send('/v1/enrol', readFileSync(at('request'), 'utf8')));
      const first = await attest('enroll', '--challenge', at('challenge'));
      t.equal((await attest('enroll', '--challenge', at('challenge'))).stdout, first.stdout);
      const { enrolment } = JSON.parse(await send('/v1/activate', first.stdout)) as { enrolment: string };
      writeFileSync(at('enrolment'), enrolment);
      t.equal((await attest('enroll', '--keep', at('enrolment'))).status, 0);
    }
    t.match((await attest('status')).stdout, /enrolled +yes/);
    writeFileSync(at('noise'), 'noise');
    t.match((await attest('enroll', '--challenge', at('noise'))).stderr, /challenge: is not JSON/);
  });

  t.test(
    'the verifier accepts the machine; the daemon believes its result, and so does a stranger',
    async (t) => {
      const { status, stdout, stderr } = await attest('quote', '--json', ...online);
      t.equal(status, 0, stdout + stderr);
      const { result, state } = JSON.parse(stdout) as {
        result: string;
        state: { verdict: string; tpm: string };
      };
      t.match(state, { verdict: 'passed', tpm: 'software' });
      const { payload } = await jwtVerify(result, await importJWK(publicKey as JWK, 'EdDSA'), {
        issuer: 'test',
      });
      const { keys } = JSON.parse((await cordon(...socket, 'token', 'jwks')).stdout) as { keys: JWK[] };
      // Whoever holds this result knows that tokens by that key are of this machine's TPM.
      t.match(payload, {
        cordon: { accepted: true, tpm: 'software', tokenKeys: keys.map(({ kid }) => kid) },
      });
      t.match((await attest('status')).stdout, /attested +passed/);
    },
  );

  t.test('a result outlives the daemon’s restart, not its time', async (t) => {
    await daemon.stop();
    daemon = await boot();
    t.match((await attest('status')).stdout, /attested +passed/);
  });

  t.test('the files of a quote are read by tpm2_checkquote and by cordon attest verify', async (t) => {
    const nonce = '5a'.repeat(32);
    const out = at('quote');
    t.equal((await attest('quote', '--nonce', nonce, '--out', out)).status, 0);
    const qualifying = readFileSync(join(out, 'qualifying.hex'), 'utf8');
    const file = (name: string): string => join(out, name);
    const inputs = [
      '-u',
      file('ak.pem'),
      '-m',
      file('quote.msg'),
      '-s',
      file('quote.sig'),
      '-f',
      file('quote.pcrs'),
    ];
    t.match(await swtpm.tool('tpm2_checkquote', ...inputs, '-g', 'sha256', '-q', qualifying), /pcrs/);
    const verify = (...more: string[]) =>
      cordon(
        'attest',
        'verify',
        out,
        '--reference',
        at('reference.json'),
        '--key',
        at('verifier.pub.jwk'),
        ...more,
      );
    const good = await verify('--nonce', nonce);
    t.equal(good.status, 0, good.stdout + good.stderr);
    t.match(good.stdout, /accepted: software TPM/);
    const replayed = await verify('--nonce', '00'.repeat(32));
    t.equal(replayed.status, 1);
    t.match(replayed.stdout, /fail +nonce/);
    const key = ['--key', at('verifier/verifier.jwk')];
    const minted = await cordon(
      'attest',
      'verify',
      out,
      '--nonce',
      nonce,
      '--reference',
      at('reference.json'),
      ...key,
      '--out',
      at('result.jwt'),
    );
    t.equal(minted.status, 0, minted.stdout + minted.stderr);
    const { payload } = await jwtVerify(
      readFileSync(at('result.jwt')),
      await importJWK(publicKey as JWK, 'EdDSA'),
    );
    t.match(payload, { cordon: { accepted: true, tpm: 'software' } });
    const strict = await cordon('attest', 'verify', out, '--nonce', nonce, '--key', at('verifier.pub.jwk'));
    t.match(strict.stdout, /fail +tpm +the TPM is software/);
  });

  t.test('a database that was put back is found out by the verifier’s memory', async (t) => {
    await attest('quote', ...online);
    await daemon.stop();
    for (const name of ['cordon.db', 'cordon.db.head'])
      writeFileSync(at(`kept.${name}`), readFileSync(at(`state/${name}`)));
    daemon = await boot();
    for (let i = 0; i < 2; i++) t.equal((await attest('quote', ...online)).status, 0);
    await daemon.stop();
    for (const name of ['cordon.db', 'cordon.db.head'])
      writeFileSync(at(`state/${name}`), readFileSync(at(`kept.${name}`)));
    daemon = await boot();
    const { status, stdout } = await attest('quote', ...online);
    t.equal(status, 1);
    t.match(stdout, /fail +audit/);
  });

  t.test('what is sealed comes back here, and with the escrow key anywhere', async (t) => {
    writeFileSync(at('secret'), 'the secret');
    t.equal((await attest('seal', at('secret'), '--out', at('sealed'))).status, 0);
    t.notMatch(readFileSync(at('sealed'), 'utf8'), /the secret/);
    const opened = await attest('unseal', at('sealed'), '--out', at('opened'));
    t.equal(opened.status, 0, opened.stderr);
    t.equal(readFileSync(at('opened'), 'utf8'), 'the secret');
    await swtpm.tool('tpm2_pcrextend', `7:sha256=${'11'.repeat(32)}`);
    const refused = await attest('unseal', at('sealed'), '--out', at('opened2'));
    t.equal(refused.status, 1);
    t.match(refused.stderr, /started otherwise/);
    const recovered = await cordon(
      'attest',
      'recover',
      at('sealed'),
      '--key',
      at('escrow.key'),
      '--out',
      at('recovered'),
    );
    t.equal(recovered.status, 0, recovered.stderr);
    t.equal(readFileSync(at('recovered'), 'utf8'), 'the secret');
  });

  t.test('only administrators attest, anybody sees how it stands, and acts are on record', async (t) => {
    chmodSync(directory, 0o711);
    const answers = await askAs(nobody, at('run/admin.sock'), [
      ['attest', { verb: 'status' }],
      ...['enrol', 'activate', 'keep', 'quote', 'result', 'seal', 'open'].map(
        (verb) => ['attest', { verb, text: 'ab'.repeat(16) }] as const,
      ),
    ]);
    t.same(
      answers.map(({ kind, body }) => (kind === 'failure' ? String(body['code']) : kind)),
      ['attestAnswer', ...Array<string>(7).fill('not-permitted')],
    );
    const { stdout } = await cordon(
      ...socket,
      'audit',
      'tail',
      '--session',
      'daemon',
      '--limit',
      '500',
      '--json',
    );
    t.match(stdout, /attest-quote/);
    t.match(stdout, /attest-enrol/);
  });

  t.test('a TPM that is gone is said in words, and the daemon goes on', async (t) => {
    await swtpm.kill();
    const { status, stderr } = await attest('quote', '--nonce', 'ab'.repeat(16));
    t.equal(status, 1);
    t.match(stderr, /the TPM cannot be used/);
    t.equal((await cordon(...socket, 'status')).status, 0);
    await swtpm.restart();
    await until(
      'it is used again',
      async () => (await attest('quote', '--nonce', 'ab'.repeat(16))).status === 0,
    );
  });
});
