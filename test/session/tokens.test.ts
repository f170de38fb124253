// Tokens in a real session: an agent in its sandbox, egress in between, and a backend that knows published keys alone.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { notBuilt, TestCordon } from '../support/cordon.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { tlsAuthority } from '../support/tls-authority.ts';
import { until } from '../support/until.ts';
import { notRoot, testUser } from '../support/user.ts';
import { startExample } from '../tokens/example.ts';

const skip = notRoot() ?? notBuilt() ?? false;
const dist = fileURLToPath(new URL('../../dist/', import.meta.url));

interface Ports {
  readonly api: number;
  readonly files: number;
  /** Of a server that speaks TLS; the agent says http to `files` of it. */
  readonly secure: number;
}

const profile = ({ api, files, secure }: Ports, ca: string): string => `cordon: 1
name: tokens
version: 1
extends: [coding-agent]
tokens: { lifetime: 2m }
files:
  - { allow: [read, exec], in: ["${process.execPath}"] }
network:
  - { allow: "api.test:${api}", token: { audience: "urn:api", type: dpop } }
  - { allow: "files.test:${files}", token: { audience: "urn:files", type: upload } }
  - { allow: "secure.test:${files}", token: { audience: "urn:files", type: upload }, upstream: { protocol: tls, port: ${secure}, ca: "${ca}" } }
  - { allow: ["127.0.0.1:${api}", "127.0.0.1:${files}", "127.0.0.1:${secure}"] }
`;

/** What the agent does, as a program in its workspace. */
const agent = ({ api, files, secure }: Ports): string => `
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { connectAgent } from './agent-client.js';
const ask = (url, method = 'GET', headers = {}, body = '') => new Promise((resolve) => {
  const asked = request(url, { method, headers: { ...headers, 'content-length': Buffer.byteLength(body) }, agent: false }, (response) => {
    let text = '';
    response.on('data', (chunk) => (text += chunk)).on('end', () => resolve(response.statusCode + ' ' + text));
    response.on('error', (error) => resolve('broken ' + error.code));
  });
  asked.on('error', (error) => resolve('broken ' + error.code));
  asked.end(body);
});
const say = (name, value) => console.log(JSON.stringify({ name, value }));
say('attached', await ask('http://api.test:${api}/v1/x'));
say('own words are dropped', await ask('http://api.test:${api}/v1/x', 'GET', { authorization: 'Bearer mine' }));
say('by address no token', await ask('http://127.0.0.1:${api}/v1/x'));
const cordon = await connectAgent();
const destination = 'http://files.test:${files}/up';
const upload = (content) => cordon.token({ audience: 'urn:files', details: [
  { type: 'file.upload', sha256: createHash('sha256').update(content).digest('hex'), destination },
] });
const token = await upload('the file');
say('without a token', await ask(destination, 'PUT', {}, 'the file'));
say('the file', await ask(destination, 'PUT', token.headers('PUT', destination), 'the file'));
say('once more', await ask(destination, 'PUT', token.headers('PUT', destination), 'the file'));
const other = await upload('the file');
say('another file', await ask(destination, 'PUT', other.headers('PUT', destination), 'the lief'));
const dropped = await upload('the file');
await cordon.dropToken(dropped.jti);
say('revoked', await ask(destination, 'PUT', dropped.headers('PUT', destination), 'the file'));
say('beyond', await cordon.token({ audience: 'urn:api', details: [
  { type: 'http', methods: ['GET'], host: 'elsewhere.test', port: 443, path: '/' },
] }).then(() => 'minted', (error) => error.message));
const over = await cordon.token({ audience: 'urn:files', details: [
  { type: 'file.upload', sha256: createHash('sha256').update('secret').digest('hex'), destination: 'https://secure.test:${secure}/up' },
] });
const fields = over.headers('PUT', 'https://secure.test:${secure}/up');
say('over TLS', await ask('http://secure.test:${files}/up', 'PUT', fields, 'secret'));
cordon.close();
`;

t.test('tokens in a session', { skip }, async (t) => {
  const user = testUser('tokens');
  const uploads: string[] = [];
  const store: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      uploads.push(Buffer.concat(chunks).toString());
      response.end('stored');
    });
    request.on('error', () => undefined);
  };
  const directory = temporaryDirectory(t);
  const authority = tlsAuthority(directory);
  const portOf = async (server: Server): Promise<number> => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    return (server.address() as AddressInfo).port;
  };
  const files = await portOf(createServer(store));
  const secure = await portOf(createTlsServer(authority.issue('secure.test'), store));
  const cordon = await TestCordon.start({
    settings:
      'hosts: { api.test: [127.0.0.1], files.test: [127.0.0.1], secure.test: [127.0.0.1] }\ntokens: { issuer: "urn:this-machine" }\n',
  });
  t.teardown(() => cordon.stop().then(() => undefined));
  const api = await startExample(t, temporaryDirectory(t), {
    library: join(dist, 'token-verifier.js'),
    published: join(cordon.runDir, 'tokens'),
    issuer: 'urn:this-machine',
    audience: 'urn:api',
    host: 'api.test',
  });
  cordon.writeProfile('tokens', profile({ api, files, secure }, join(directory, 'ca.pem')));
  const workspace = mkdtempSync(join(user.home, 'ws-'));
  t.teardown(() => rmSync(workspace, { recursive: true, force: true }));
  copyFileSync(join(dist, 'agent-client.js'), join(workspace, 'agent-client.js'));
  writeFileSync(join(workspace, 'package.json'), '{"type":"module"}');
  writeFileSync(join(workspace, 'agent.js'), agent({ api, files, secure }));
  spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, workspace]);
  await until('the profile is loaded', async () =>
    (await cordon.records('daemon')).some(({ operation }) => operation === 'policy-reload'),
  );
  const ran = await cordon.run([process.execPath, 'agent.js'], { user, workspace, profile: 'tokens' });
  t.equal(ran.code, 0, ran.stdout + ran.stderr + cordon.log);
  const said = Object.fromEntries(
    ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; value: string })
      .map(({ name, value }) => [name, value]),
  );
  const hello = new RegExp(`^200 hello, node of ${user.name}`);

  t.test('a backend accepts what egress attached, and knows whose it is', async (t) => {
    t.match(said['attached'], hello);
    t.match(said['own words are dropped'], hello);
    t.match(said['by address no token'], /^401 no Authorization/);
  });

  t.test('a file goes up under its token once, and nothing else does', async (t) => {
    t.match(said['without a token'], /^403 [^]*uploads under a token/);
    t.equal(said['the file'], '200 stored');
    t.match(said['once more'], /^403 [^]*no uses left/);
    t.match(said['another file'], /^403 [^]*not the file of the token/);
    t.match(said['revoked'], /^403 [^]*given back by the agent/);
    t.equal(said['over TLS'], '200 stored');
    t.strictSame(uploads, ['the file', 'secret']);
  });

  t.test('each of it is on record where it happened', async (t) => {
    t.match(said['beyond'], /session itself may not do this: elsewhere.test:443/);
    const { session } = await cordon.sessionIn(workspace);
    const records = (await cordon.records(session)).filter(({ kind }) => kind === 'token' || kind === 'http');
    const told = records.map(
      ({ kind, operation, disposition, object }) => `${kind} ${operation} ${disposition} ${object}`,
    );
    const expected = [
      'token mint allowed urn:api',
      `http request allowed GET http://api.test:${api}/v1/x`,
      'token use allowed urn:files',
      `http request allowed PUT https://secure.test:${secure}/up`,
      'token use denied used-up',
      'token use denied revoked',
      'token mint denied beyond-session',
      `http request denied PUT http://files.test:${files}/up`,
    ];
    for (const each of expected) t.ok(told.includes(each), `${each} in ${told.join('; ')}`);
    const refused = records.find(({ object }) => object === 'beyond-session');
    const { rule, record } = await cordon.explain(refused!.id);
    t.match([rule, record.reason], [/tokens\/tokens/, /elsewhere\.test:443/]);
    const digest = createHash('sha256').update('the lief').digest('hex');
    t.ok(
      records.some(({ reason }) => reason.includes(digest)),
      'the digest of the other file',
    );
  });

  t.test('tokens end with their session', async (t) => {
    const { tokens } = await cordon.json<{ tokens: { revoked: number; why: string }[] }>([
      'token',
      'list',
      '--all',
    ]);
    t.ok(tokens.length >= 5, `${tokens.length} tokens`);
    t.ok(tokens.every(({ revoked }) => revoked > 0));
  });
});
