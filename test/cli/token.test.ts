// The token verbs: against a daemon of the test's own where they need one, and against files where a stranger would.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import {
  claimsJson,
  jwksOf,
  newPrivateJwk,
  signStatusList,
  softwareKey,
  tokenType,
} from '../../daemon/tokens/mod.ts';
import { newProofKey } from '../../daemon/wire/mod.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { audience, issuer, sampleClaims, url } from '../tokens/support.ts';
import { cordon } from './cordon.ts';
import { fakeDaemon } from './fake-daemon.ts';

const seconds = Math.floor(Date.now() / 1000);

async function files(t: Parameters<typeof temporaryDirectory>[0]) {
  const directory = temporaryDirectory(t);
  const key = softwareKey(newPrivateJwk('EdDSA'));
  const proofKey = newProofKey();
  const times = { iat: seconds, nbf: seconds, exp: seconds + 300 };
  const token = await key.sign(tokenType, claimsJson(sampleClaims({ ...times, jkt: proofKey.thumbprint })));
  const write = (name: string, text: string): string => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const facts = { issuer, uri: 'file:///x', now: Date.now(), ttl: 60, lifetime: 3600 };
  return {
    directory,
    token,
    proofKey,
    jwksText: JSON.stringify(jwksOf([key])),
    jwks: write('jwks.json', JSON.stringify(jwksOf([key]))),
    tokenFile: write('token', `${token}\n`),
    clean: write('clean.jwt', await signStatusList(key, [], facts)),
    revoked: write('revoked.jwt', await signStatusList(key, [7], facts)),
  };
}

t.test('a token is verified by a stranger with files alone, and a refusal says why', async (t) => {
  const { token, tokenFile, jwks, clean, revoked, proofKey } = await files(t);
  const verify = (...more: readonly string[]) =>
    cordon([
      'token',
      'verify',
      tokenFile,
      '--jwks',
      jwks,
      '--issuer',
      issuer,
      '--audience',
      audience,
      ...more,
    ]);
  const plain = await verify();
  t.equal(plain.status, 0, plain.stderr);
  t.match(
    plain.stdout,
    /^The token holds\.\n[^]*permits {6}POST api\.example:443\/v1\/\*\n[^]*was not checked/,
  );
  const proof = proofKey.prove({ method: 'POST', url, token, now: Date.now() });
  const proven = await verify(
    '--proof',
    proof,
    '--method',
    'POST',
    '--url',
    url,
    '--status',
    clean,
    '--json',
  );
  t.match(JSON.parse(proven.stdout), { ok: true, proven: true, claims: { iss: issuer, aud: audience } });
  const foreign = newProofKey().prove({ method: 'POST', url, token, now: Date.now() });
  const stolen = await verify('--proof', foreign, '--method', 'POST', '--url', url, '--json');
  t.equal(stolen.status, 1);
  t.match(JSON.parse(stolen.stdout), { ok: false, why: 'stolen' });
  t.match(await verify('--status', revoked), { status: 1, stdout: /^Refused \(revoked\)/ });
  t.match(await verify('--bearer', '--method', 'POST', '--url', url), {
    status: 1,
    stdout: /^Refused \(proof\)/,
  });
  const other = ['token', 'verify', token, '--jwks', jwks, '--issuer', issuer, '--audience', 'urn:other'];
  t.match(await cordon(other), { status: 1, stdout: /^Refused \(audience\)/ });
  t.match(await cordon(['token', 'verify', token, '--jwks', jwks]), {
    status: 2,
    stderr: /--issuer is missing/,
  });
});

t.test('with --replay a second call knows what the first one saw', async (t) => {
  const { directory, token, tokenFile, jwks, proofKey } = await files(t);
  const seen = join(directory, 'seen.db');
  const base = ['token', 'verify', tokenFile, '--jwks', jwks, '--issuer', issuer, '--audience', audience];
  const prove = () => proofKey.prove({ method: 'POST', url, token, now: Date.now() });
  const show = (proof: string) =>
    cordon([...base, '--proof', proof, '--method', 'POST', '--url', url, '--replay', seen, '--json']);
  const proof = prove();
  t.match(JSON.parse((await show(proof)).stdout), { ok: true });
  t.match(JSON.parse((await show(proof)).stdout), { ok: false, why: 'replayed' });
  t.match(JSON.parse((await show(prove())).stdout), { ok: false, why: 'used-up' });
  t.match(await cordon([...base, '--replay', seen]), { status: 2, stderr: /none is shown/ });
});

t.test('a key set is fetched from this machine, and from no other', async (t) => {
  const { tokenFile, jwksText } = await files(t);
  const server = createServer((_, response) => response.end(jwksText)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const from = (source: string) =>
    cordon(['token', 'verify', tokenFile, '--jwks', source, '--issuer', issuer, '--audience', audience]);
  const { port } = server.address() as AddressInfo;
  t.equal((await from(`http://127.0.0.1:${port}/jwks.json`)).status, 0);
  t.match(await from('https://127.0.0.1.example.com/jwks.json'), {
    status: 2,
    stderr: /not on this machine/,
  });
});

t.test('inspect says what a token says, and that it checked nothing', async (t) => {
  const { token } = await files(t);
  const people = await cordon(['token', 'inspect', '-'], { input: token });
  t.match(people.stdout, /session {6}abcdefgh, nobody, codex 1\.2\n[^]*Not verified/);
  const { stdout } = await cordon(['token', 'inspect', token, '--json']);
  t.match(JSON.parse(stdout), { verified: false, header: { alg: 'EdDSA' }, claims: { jti: 'A'.repeat(22) } });
  t.match(await cordon(['token', 'inspect', 'a.b.c']), { status: 1, stderr: /not a compact JWS/ });
  t.match(await cordon(['token', 'inspect', 'AAAA.AAAA.AAAA']), { status: 1, stderr: /not JSON/ });
});

t.test('mint makes a key of its own, readable by its owner, and binds the token to it', async (t) => {
  const { directory } = await files(t);
  const wishes: string[] = [];
  const daemon = await fakeDaemon({
    admin: (incoming, connection) => {
      if (incoming.message.kind === 'tokenMint') wishes.push(incoming.message.body.wish);
      connection.answer(incoming, 'mintTokenAnswer', { token: 'a.b.c', jti: 'j', expires: 0 });
    },
  });
  t.teardown(() => daemon.close());
  const key = join(directory, 'key.pem');
  const args = [
    'token',
    'mint',
    '--session',
    's',
    '--audience',
    audience,
    '--detail',
    '{"type":"x"}',
    '--key',
    key,
  ];
  const env = { CORDON_SOCKET: daemon.admin };
  const first = await cordon([...args, '--lifetime', '2m', '--uses', '3', '--json'], { env });
  t.equal(first.status, 0, first.stderr);
  const { jkt } = JSON.parse(first.stdout) as { jkt: string };
  t.equal(statSync(key).mode & 0o777, 0o600);
  t.match(readFileSync(key, 'utf8'), /BEGIN PRIVATE KEY/);
  t.match(JSON.parse(wishes[0]!), {
    audience,
    authorization_details: [{ type: 'x' }],
    expires_in: 120,
    uses: 3,
    jkt,
  });
  const second = await cordon(args, { env });
  t.equal(second.stdout, 'a.b.c\n');
  t.match(JSON.parse(wishes[1]!), { jkt });
  t.match(await cordon([...args, '--uses', '0'], { env }), { status: 2 });
});

t.test('list, revoke, keys: what is asked of the daemon, and how it is shown', async (t) => {
  const asked: unknown[] = [];
  const listed = {
    jti: 'j1',
    session: 's',
    agent: 'codex',
    audience,
    details: 'tool search',
    exp: 1,
    uses: 1,
    used: 1,
    revoked: 0,
  };
  const daemon = await fakeDaemon({
    admin: (incoming, connection) => {
      const { kind, body } = incoming.message;
      asked.push([kind, body]);
      if (kind === 'tokens')
        connection.answer(incoming, 'tokensAnswer', { tokens: [JSON.stringify(listed)] });
      if (kind === 'tokenRevoke')
        connection.answer(incoming, 'tokenRevokeAnswer', { jtis: ['j1'], milliseconds: 2.4 });
      if (kind === 'tokenKeys')
        connection.answer(incoming, 'tokenKeysAnswer', {
          jwks: '{"keys":[{"kid":"k"}]}',
          statusList: 'x.y.z',
          issuer,
        });
    },
  });
  t.teardown(() => daemon.close());
  const run = (...args: readonly string[]) =>
    cordon(['token', ...args], { env: { CORDON_SOCKET: daemon.admin } });
  t.match((await run('list', '--all')).stdout, /^ID +SESSION +AGENT +STATE[^]*j1 +s +codex +used/);
  t.match(await run('revoke', 'j1', '--reason', 'why'), {
    status: 0,
    stdout: 'revoked 1 token in 2 ms: j1\n',
  });
  t.match(await run('revoke', '--policy', 'd1'), { status: 0 });
  t.match(await run('revoke'), { status: 2, stderr: /exactly one of/ });
  t.match(await run('revoke', 'j1', '--all'), { status: 2 });
  t.equal((await run('jwks')).stdout, '{"keys":[{"kid":"k"}]}\n');
  t.strictSame(JSON.parse((await run('status', '--json')).stdout), { issuer, statusList: 'x.y.z' });
  t.match((await run('rotate')).stdout, /Key k is published, and signs in an hour/);
  t.match(asked, [
    ['tokens', { all: true }],
    ['tokenRevoke', { by: 'id', value: 'j1', reason: 'why' }],
    ['tokenRevoke', { by: 'policy', value: 'd1' }],
    ['tokenKeys', { rotate: '' }],
    ['tokenKeys', { rotate: '' }],
    ['tokenKeys', { rotate: 'next' }],
  ]);
});
