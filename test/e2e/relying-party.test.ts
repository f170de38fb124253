// A relying party that has never seen Cordon's code (relying-party/check.py: OpenSSL, tpm2-tools and Python's standard
// library alone) accepts the quote and the token of an endpoint that is as it should be, and refuses both from one that was
// tampered with.
import t from 'tap';
import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { notBuilt } from '../support/cordon.ts';
import { noSwtpm, startSwtpm } from '../support/swtpm.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { notRoot } from '../support/user.ts';
import { audience, dist, request, startEndpoint, type Minted } from './relying-party/endpoint.ts';

const script = fileURLToPath(new URL('relying-party/check.py', import.meta.url));
const skip = notRoot() ?? notBuilt() ?? noSwtpm ?? false;

type Fields = Record<string, unknown>;
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const decoded = (text = ''): Fields => JSON.parse(Buffer.from(text, 'base64url').toString()) as Fields;

t.test('a relying party with public tools', { skip, timeout: 240_000 }, async (t) => {
  const endpoint = await startEndpoint(t);
  const { cordon, swtpm, session } = endpoint;
  const directory = temporaryDirectory(t);
  const at = (name: string): string => join(directory, name);
  const put = (name: string, content: string): string => {
    writeFileSync(at(name), content);
    return at(name);
  };
  mkdirSync(at('known'));
  const known = at('known');
  const reference = at('reference.json');

  const answers = (t: Test, status: number, args: readonly string[], why: RegExp): void => {
    const ran = spawnSync('/usr/bin/python3', ['-I', script, ...args], {
      encoding: 'utf8',
      env: { PATH: '/usr/bin:/bin' },
    });
    t.equal(ran.status, status, ran.stdout + ran.stderr);
    t.match(ran.stdout, why);
  };
  const accepts = (t: Test, args: readonly string[], why: RegExp): void => answers(t, 0, args, why);
  const refuses = (t: Test, args: readonly string[], why: RegExp): void => answers(t, 1, args, why);

  const challenged = (): string => randomBytes(32).toString('hex');
  const quoted = async (): Promise<{ directory: string; args: readonly string[] }> => {
    const nonce = challenged();
    const files = await endpoint.quote(nonce);
    return { directory: files, args: ['quote', files, nonce, reference, known] };
  };
  const published = async (): Promise<Fields> => ({
    jwks: JSON.parse((await cordon.cli(['token', 'jwks'])).stdout) as Fields,
    status: (await cordon.cli(['token', 'status'])).stdout.trim(),
  });
  const shown = async ({ token, dpop }: Minted, more: Fields = {}): Promise<readonly string[]> => {
    const asked = { token, dpop, audience, ...request, ...(await published()), ...more };
    return ['token', put('request.json', JSON.stringify(asked)), reference, known];
  };

  t.test('learns whose TPM it is from the maker’s certificates, and by a challenge', async (t) => {
    t.equal((await cordon.cli(['attest', 'enroll', '--out', at('request')])).code, 0);
    const enrol = (roots: string): readonly string[] => ['enrol', at('request'), roots, swtpm.issuer, known];
    const other = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=another maker'];
    spawnSync('openssl', ['req', ...other, '-keyout', at('other.key'), '-out', at('other.pem')]);
    refuses(t, enrol(at('other.pem')), /leads to no maker that is trusted/);
    accepts(t, enrol(swtpm.root), /a maker's TPM/);
    const told = await cordon.cli(['attest', 'enroll', '--challenge', join(known, 'challenge.json')]);
    t.equal(told.code, 0, told.stderr);
    const answer = JSON.parse(told.stdout) as Fields;
    const wrong = put('wrong', JSON.stringify({ ...answer, secret: '00'.repeat(32) }));
    refuses(t, ['activate', wrong, known], /did not open the challenge/);
    accepts(t, ['activate', put('answer', told.stdout), known], /is in that TPM/);
  });

  // What an organisation writes down of a machine when it sets it up.
  const files = await endpoint.quote(challenged());
  const statement = JSON.parse(readFileSync(join(files, 'statement.json'), 'utf8')) as {
    readonly policy: { readonly digest: string };
    readonly sessions: readonly { readonly id: string; readonly policy: string }[];
  };
  const digest = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(join(dist, name)))
      .digest('hex');
  const pcrs = [...(await swtpm.tool('tpm2_pcrread', 'sha256:0,2,4,7')).matchAll(/(\d+) *: 0x([0-9A-F]+)/g)];
  put(
    'reference.json',
    JSON.stringify({
      pcrs: Object.fromEntries(pcrs.map(([, pcr = '', value = '']) => [pcr, value.toLowerCase()])),
      images: { daemon: digest('cordond.js'), supervisor: digest('supervisor.js') },
      policies: [statement.policy.digest],
      sessions: statement.sessions.filter(({ id }) => id === session).map(({ policy }) => policy),
    }),
  );

  t.test('knows no token before it knows the machine', async (t) => {
    refuses(t, await shown(await endpoint.mint()), /was not accepted/);
  });

  t.test('accepts the quote, and the token', async (t) => {
    accepts(t, (await quoted()).args, /1 token key\(s\) are in its TPM/);
    accepts(t, await shown(await endpoint.mint()), /may: .*"tool": "search"/);
  });

  t.test('refuses a quote that was made for another challenge, or changed on the way', async (t) => {
    const good = await quoted();
    const { args } = good;
    const file = (name: string): string => join(good.directory, name);
    refuses(t, ['quote', good.directory, challenged(), reference, known], /another challenge/);
    const text = readFileSync(file('statement.json'), 'utf8');
    writeFileSync(file('statement.json'), text.replace(statement.policy.digest, '00'.repeat(32)));
    refuses(t, args, /tpm2_checkquote refuses it/);
    writeFileSync(file('statement.json'), text);
    // Rightly signed by the same key, over the same statement: a certification, passed off as a quote.
    const message = readFileSync(file('quote.msg'));
    const evidence = JSON.parse(readFileSync(file('evidence.json'), 'utf8')) as {
      readonly tokenKeys: readonly { readonly attest: string }[];
    };
    writeFileSync(file('quote.msg'), Buffer.from(evidence.tokenKeys[0]!.attest, 'base64'));
    refuses(t, args, /this is no quote/);
    writeFileSync(file('quote.msg'), message);
    accepts(t, args, /the machine is what it should be/);
  });

  t.test('refuses the quote of another TPM’s key', async (t) => {
    const { directory: there, args } = await quoted();
    const out = (name: string): string => join(there, name);
    const other = await startSwtpm(t, { certified: false });
    await other.tool('tpm2_createek', '-c', 'ek.ctx', '-G', 'rsa');
    await other.tool('tpm2_flushcontext', '-t');
    const made = ['-G', 'ecc', '-g', 'sha256', '-s', 'ecdsa'];
    await other.tool('tpm2_createak', '-C', 'ek.ctx', '-c', 'ak.ctx', ...made);
    await other.tool('tpm2_flushcontext', '-t');
    const qualifying = createHash('sha256')
      .update(readFileSync(out('statement.json')))
      .digest('hex');
    const named = [
      '-m',
      out('quote.msg'),
      '-s',
      out('quote.sig'),
      '-o',
      out('quote.pcrs'),
      '-F',
      'serialized',
    ];
    await other.tool('tpm2_quote', '-c', 'ak.ctx', '-l', 'sha256:0,2,4,7', '-q', qualifying, ...named);
    refuses(t, args, /tpm2_checkquote refuses it/);
    accepts(t, (await quoted()).args, /the machine is what it should be/);
  });

  t.test('refuses a token that was changed, stolen, forged, or taken elsewhere', async (t) => {
    const minted = await endpoint.mint();
    accepts(t, await shown(minted), /may/);
    const [head, payload, signature] = minted.token.split('.') as [string, string, string];
    const wider = { ...decoded(payload), authorization_details: [{ type: 'tool.call', tool: 'erase' }] };
    refuses(
      t,
      await shown({ ...minted, token: `${head}.${part(wider)}.${signature}` }),
      /not that of its key/,
    );
    const none = { ...decoded(head), alg: 'none' };
    refuses(t, await shown({ ...minted, token: `${part(none)}.${payload}.` }), /not allowed/);
    refuses(t, await shown(minted, { audience: 'https://another.example' }), /for somebody else/);
    refuses(t, await shown(minted, { url: `${audience}/v1/admin` }), /for another request/);
    refuses(t, await shown({ ...minted, dpop: (await endpoint.mint()).dpop }), /for another token/);
    // Root of the endpoint can publish any key and say that it is in the TPM. The TPM does not say so.
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { jwks, status } = (await published()) as { jwks: { keys: Fields[] }; status: string };
    const forged = {
      ...publicKey.export({ format: 'jwk' }),
      kid: 'forged',
      alg: 'ES256',
      cordon: { held: 'tpm' },
    };
    const signed = `${part({ ...decoded(head), kid: 'forged' })}.${part(wider)}`;
    const by = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    const token = `${signed}.${by.toString('base64url')}`;
    const keys = { jwks: { keys: [...jwks.keys, forged] }, status };
    refuses(t, await shown({ ...minted, token }, keys), /not one that the machine's TPM vouched for/);
  });

  t.test('refuses a token that was revoked, by the status list', async (t) => {
    const minted = await endpoint.mint();
    const { jti } = decoded(minted.token.split('.')[1]) as { jti: string };
    t.equal((await cordon.cli(['token', 'revoke', jti])).code, 0);
    refuses(t, await shown(minted), /the token is revoked/);
  });

  t.test('refuses both from an endpoint whose policy was loosened', async (t) => {
    await endpoint.loosen('  - { allow: [read], in: ["/srv"] }\n');
    const looser = await endpoint.mint();
    refuses(t, await shown(looser), /does not run under that policy/);
    refuses(t, (await quoted()).args, /another policy is in force there/);
    refuses(t, await shown(looser), /was not accepted/);
  });

  t.test('refuses both from an endpoint that was started otherwise', async (t) => {
    await swtpm.tool('tpm2_pcrextend', `4:sha256=${'44'.repeat(32)}`);
    const minted = await endpoint.mint();
    refuses(t, (await quoted()).args, /PCR 4 is not what this machine should have started as/);
    refuses(t, await shown(minted), /was not accepted/);
  });
});
